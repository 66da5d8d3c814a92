package doctorcmd

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// timeError is adjtimex's word for "not synchronised" (TIME_ERROR).
const timeError = 5

// checkWall asks the kernel whether a time service keeps the wall clock, and what
// the clocks are read from.
func checkWall() []Result {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	out := []Result{judgeSync(state, t.Maxerror, err)}
	if r, bad := judgeRate(t.Freq, t.Tick); err == nil && bad {
		out = append(out, r)
	}
	b, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	if err != nil {
		return out // no such file in this container; nothing to say
	}
	available, _ := os.ReadFile("/sys/devices/system/clocksource/clocksource0/available_clocksource") // empty: not told
	cpu, _ := os.ReadFile("/proc/cpuinfo")                                                            // likewise
	return append(out, judgeSource(strings.TrimSpace(string(b)), string(available), string(cpu)))
}

// judgeSource says whether the clock that all times come from is read quickly and finely.
// A processor that has a counter (tsc) which the kernel does not offer any more has been
// judged unstable by it.
func judgeSource(source, available, cpuinfo string) Result {
	const name = "clock source"
	switch source {
	case "hpet", "acpi_pm", "jiffies", "refined-jiffies":
	default:
		return Result{name, OK, source, ""}
	}
	if strings.Contains(cpuinfo, "constant_tsc") && !slices.Contains(strings.Fields(available), "tsc") {
		return Result{name, Warn, source + ": the kernel found the processor's own counter (tsc) unstable and does without it",
			"dmesg | grep -i tsc says why; update the firmware, or the hypervisor's clock settings; music stays in time, but reading the time costs more"}
	}
	return Result{name, Warn, source + " is slow to read and coarse",
		"with many players choose a faster one: see /sys/devices/system/clocksource/clocksource0/available_clocksource"}
}

// fastSlew is a rate beyond which a clock is not kept but chased, in ppm. A healthy
// crystal is off by less than 100; NTP ends at 500.
const fastSlew = 300

// judgeRate looks at how much the kernel corrects the clock's rate: freq in 2^-16 ppm, tick
// in µs for each of 100 ticks a second. The monotonic clock is corrected alike, so that
// services on other machines have to follow it.
func judgeRate(freq, tick int64) (Result, bool) {
	ppm := float64(freq)/65536 + float64(tick-10_000)*100
	if ppm < fastSlew && ppm > -fastSlew {
		return Result{}, false
	}
	return Result{"clock rate", Warn, fmt.Sprintf("the kernel's clock is corrected by %+.0f ppm", ppm),
		"a time service is pulling a wrong clock straight, or the clock is bad: set it once (chronyc makestep, timedatectl) before music plays, and look again"}, true
}

// judgeSync says whether a time service keeps the wall clock; maxError in µs.
func judgeSync(state int, maxError int64, err error) Result {
	const name = "wall clock"
	switch {
	case err != nil:
		return Result{name, Warn, "the kernel does not tell whether the time is kept: " + err.Error(), "look yourself: timedatectl"}
	case state == timeError:
		return Result{name, Warn, "no time service keeps the wall clock",
			"music is not touched by it, audit times and TLS are; run chrony or systemd-timesyncd"}
	}
	return Result{name, OK, fmt.Sprintf("kept by a time service (error at most %d ms)", maxError/1000), ""}
}
