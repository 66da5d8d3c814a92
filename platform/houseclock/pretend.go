package houseclock

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/platform/internal/mono"
)

// maxPretendPPM is more than any crystal is off by.
const maxPretendPPM = 1000

// Pretend makes this process read the monotonic clock of another kernel, so that a test
// can run several hosts on one machine. spec is "boot=NAME,offset_us=N,drift_ppm=N":
// NAME stands for the boot id, house time's source is the real clock, faster by
// drift_ppm (-1000 to 1000, fractions allowed), plus offset_us. Call it before anything
// reads the clock; never in production.
func Pretend(spec string) error {
	var boot string
	var offset, ppb int64
	for field := range strings.SplitSeq(spec, ",") {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key {
		case "boot":
			boot = value
		case "offset_us":
			offset, err = strconv.ParseInt(value, 10, 64)
		case "drift_ppm":
			var ppm float64
			if ppm, err = strconv.ParseFloat(value, 64); err == nil && !(ppm >= -maxPretendPPM && ppm <= maxPretendPPM) {
				err = fmt.Errorf("%v is not within ±%d", ppm, maxPretendPPM)
			}
			ppb = int64(ppm * 1000)
		default:
			err = fmt.Errorf("unknown; known are boot, offset_us, drift_ppm")
		}
		if err != nil {
			return fmt.Errorf("house clock: pretend %q: field %q: %w", spec, key, err)
		}
	}
	if boot == "" {
		return fmt.Errorf("house clock: pretend %q: boot is missing", spec)
	}
	mono.Pretend(boot, offset, ppb)
	return nil
}
