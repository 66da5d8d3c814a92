package doctorcmd

import (
	"errors"
	"testing"
)

func TestClockTroublesAreNamedWithTheirFix(t *testing.T) {
	const cpu = "flags : fpu tsc constant_tsc nonstop_tsc\n"
	only(t, []Result{judgeSource("tsc", "tsc hpet", cpu)}, "clock source").want(t, OK, "tsc")
	only(t, []Result{judgeSource("kvm-clock", "kvm-clock tsc", cpu)}, "clock source").want(t, OK, "kvm-clock")
	only(t, []Result{judgeSource("hpet", "hpet acpi_pm", cpu)}, "clock source").want(t, Warn, "dmesg | grep -i tsc")
	only(t, []Result{judgeSource("hpet", "tsc hpet acpi_pm", cpu)}, "clock source").want(t, Warn, "choose a faster one")
	only(t, []Result{judgeSource("acpi_pm", "acpi_pm", "")}, "clock source").want(t, Warn, "choose a faster one")

	only(t, []Result{judgeSync(0, 12_000, nil)}, "wall clock").want(t, OK, "at most 12 ms")
	only(t, []Result{judgeSync(timeError, 0, nil)}, "wall clock").want(t, Warn, "run chrony")
	only(t, []Result{judgeSync(-1, 0, errors.New("not permitted"))}, "wall clock").want(t, Warn, "timedatectl")

	for _, good := range [][2]int64{{0, 10_000}, {-99 << 16, 10_000}, {150 << 16, 10_001}} {
		if r, bad := judgeRate(good[0], good[1]); bad {
			t.Errorf("%v: %+v", good, r)
		}
	}
	for _, wrong := range [][2]int64{{500 << 16, 10_000}, {0, 9_990}, {-400 << 16, 10_000}} {
		r, bad := judgeRate(wrong[0], wrong[1])
		if !bad {
			t.Errorf("%v is not called bad", wrong)
			continue
		}
		only(t, []Result{r}, "clock rate").want(t, Warn, "makestep")
	}
}
