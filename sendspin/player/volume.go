package player

import "math"

// VolumeAmplitude returns the linear gain for a volume of 0-100, which stands for
// perceived loudness: (v/100)^1.5 (section Player messages). Values outside the range
// are clamped to it.
func VolumeAmplitude(v int) float64 {
	return math.Pow(float64(min(max(v, 0), 100))/100, 1.5)
}
