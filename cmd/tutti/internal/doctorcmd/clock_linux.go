package doctorcmd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// timeError is adjtimex's word for "not synchronised" (TIME_ERROR).
const timeError = 5

// checkWall asks the kernel whether a time service keeps the wall clock, and what
// the clocks are read from.
func checkWall() []Result {
	out := []Result{checkSync()}
	b, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	if err != nil {
		return out // no such file in this container; nothing to say
	}
	source := strings.TrimSpace(string(b))
	switch source {
	case "hpet", "acpi_pm", "jiffies", "refined-jiffies":
		out = append(out, Result{"clock source", Warn, source + " is slow to read and coarse",
			"with many players choose a faster one: see /sys/devices/system/clocksource/clocksource0/available_clocksource"})
	default:
		out = append(out, Result{"clock source", OK, source, ""})
	}
	return out
}

func checkSync() Result {
	const name = "wall clock"
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return Result{name, Warn, "the kernel does not tell whether the time is kept: " + err.Error(), "look yourself: timedatectl"}
	case state == timeError:
		return Result{name, Warn, "no time service keeps the wall clock",
			"music is not touched by it, audit times and TLS are; run chrony or systemd-timesyncd"}
	}
	return Result{name, OK, fmt.Sprintf("kept by a time service (error at most %d ms)", t.Maxerror/1000), ""}
}
