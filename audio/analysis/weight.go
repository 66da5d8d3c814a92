package analysis

import "math"

// The pole frequencies of the A-weighting, in Hz (IEC 61672-1, annex E).
const (
	pole1 = 20.598997
	pole2 = 107.65265
	pole3 = 737.86223
	pole4 = 12194.217
)

// aNorm is the value of the unnormalised curve at 1 kHz, by which the standard makes the
// weighting 0 dB there.
var aNorm = rawA(1000)

// AWeight is the A-weighting at frequency hz as a gain in amplitude: 1 at 1 kHz, 0 at 0.
func AWeight(hz float64) float64 { return rawA(hz) / aNorm }

// rawA is |R_A(f)| of IEC 61672-1.
func rawA(hz float64) float64 {
	f2 := hz * hz
	den := (f2 + pole1*pole1) * math.Sqrt((f2+pole2*pole2)*(f2+pole3*pole3)) * (f2 + pole4*pole4)
	return pole4 * pole4 * f2 * f2 / den
}

// Level is a power on the scale of visualizer messages (specification, Visualization
// Data): -60 dB and less is 0, 0 dB and more 65535. Power 1 is that of a full-scale sine
// at 1 kHz in all channels.
func Level(power float64) uint16 {
	if power <= 0 {
		return 0
	}
	const span = 60 // dB
	v := math.Round((10*math.Log10(power) + span) / span * 65535)
	return uint16(min(max(v, 0), 65535))
}
