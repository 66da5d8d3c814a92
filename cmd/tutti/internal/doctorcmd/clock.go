package doctorcmd

import (
	"context"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/platform/houseclock"
)

const (
	// clockWatch is how long the two clocks are compared.
	clockWatch = 500 * time.Millisecond
	// clockJump is a difference between them that no adjustment explains: NTP slews
	// at most 0.05 %, which is 0.25 ms here.
	clockJump = 10 * time.Millisecond
)

// checkClock looks at the clock that all timestamps come from (monotonic), and at
// the wall clock, which only audit lines and TLS need.
func checkClock(ctx context.Context, _ settings) []Result {
	return append([]Result{checkMonotonic(ctx)}, checkWall()...)
}

func checkMonotonic(ctx context.Context) Result {
	const name = "clock"
	if houseclock.BootID() == "" {
		return Result{name, Warn, "the kernel tells no boot id (/proc/sys/kernel/random/boot_id)",
			"services on this machine then keep the house clock over the network instead of sharing the kernel's; let the container read /proc"}
	}
	begun, mono := time.Now().Round(0), houseclock.MonotonicMicros()
	last := mono
	timer := time.NewTimer(clockWatch)
	defer timer.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
			now := houseclock.MonotonicMicros()
			if now < last {
				return Result{name, Fail, fmt.Sprintf("the monotonic clock went back by %d µs", last-now),
					"this machine cannot keep time: look at its clock source (/sys/devices/system/clocksource/clocksource0/current_clocksource) and at the hypervisor"}
			}
			last = now
		case <-timer.C:
			running = false
		case <-ctx.Done():
			return Result{name, Fail, "the check was cut off", "run it again"}
		}
	}
	wall := time.Now().Round(0).Sub(begun)
	elapsed := time.Duration(houseclock.MonotonicMicros()-mono) * time.Microsecond
	if jump := wall - elapsed; jump > clockJump || jump < -clockJump {
		return Result{name, Warn, fmt.Sprintf("the wall clock jumped by %s within %s", jump.Round(time.Millisecond), clockWatch),
			"music is not touched by it, audit times are; run one time service (chrony or systemd-timesyncd), not two"}
	}
	return Result{name, OK, "monotonic, in step with the wall clock, boot id " + houseclock.BootID()[:min(8, len(houseclock.BootID()))], ""}
}
