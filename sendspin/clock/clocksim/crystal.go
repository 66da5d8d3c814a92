package clocksim

import "math"

// Crystal is a client's clock: how far it is off, and how that wanders.
type Crystal struct {
	// OffsetUS is the clock's reading at true time 0, in microseconds.
	OffsetUS float64
	// PPM is the constant error of its rate, in parts per million.
	PPM float64
	// WarmPPM is what is added while the device is cold; it decays with WarmUS.
	WarmPPM, WarmUS float64
	// SwingPPM is the amplitude of a sine of period SwingUS: a room that a heating
	// keeps between two temperatures.
	SwingPPM, SwingUS float64
	// Phase of the swing, in radians.
	Phase float64
}

// Local returns the clock's reading at true time t, in microseconds.
func (c *Crystal) Local(t float64) float64 {
	return c.OffsetUS + t + c.PPM*1e-6*t + c.wander(t)
}

// wander is the integral of the rate that is not constant.
func (c *Crystal) wander(t float64) (us float64) {
	if c.WarmUS > 0 {
		us += c.WarmPPM * 1e-6 * c.WarmUS * (1 - math.Exp(-t/c.WarmUS))
	}
	if c.SwingUS > 0 {
		w := 2 * math.Pi / c.SwingUS
		us += c.SwingPPM * 1e-6 / w * (math.Cos(c.Phase) - math.Cos(w*t+c.Phase))
	}
	return us
}

// True returns the true time at which the clock reads local.
func (c *Crystal) True(local float64) float64 {
	t := local - c.OffsetUS
	for range 4 { // each step gains four digits: rates differ by 1e-4 at most
		t = (local - c.OffsetUS - c.wander(t)) / (1 + c.PPM*1e-6)
	}
	return t
}
