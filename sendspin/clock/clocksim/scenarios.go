package clocksim

// Microseconds.
const (
	ms  = 1e3
	sec = 1e6
)

// Wired is a switched network: 10 to 50 µs of jitter, one direction slower than the
// other, and now and then an interrupt or a busy switch.
var Wired = Network{
	BaseUp: 120, BaseDown: 90,
	JitterMin: 10, JitterMax: 50, DownFactor: 1.5, JitterMemory: 20 * sec,
	SpikeOdds: 0.01, SpikeMin: 200, SpikeMax: 3 * ms,
}

// HomeWiFi is a radio that few others use.
var HomeWiFi = Network{
	BaseUp: 900, BaseDown: 700,
	JitterMin: 200, JitterMax: 2 * ms, DownFactor: 1.5, JitterMemory: 60 * sec,
	SpikeOdds: 0.01, SpikeMin: 10 * ms, SpikeMax: 50 * ms,
}

// BusyWiFi is a café: the mean of the jitter wanders between 1 and 30 ms as the medium
// fills, retransmissions cost up to 250 ms, every 20 s everything stands still for up to
// 600 ms, and the client sleeps between beacons when it has nothing to do.
var BusyWiFi = Network{
	BaseUp: 1200, BaseDown: 1000,
	JitterMin: 1 * ms, JitterMax: 30 * ms, DownFactor: 1.5, JitterMemory: 60 * sec,
	SpikeOdds: 0.01, SpikeMin: 50 * ms, SpikeMax: 250 * ms,
	StallEvery: 20 * sec, StallMin: 100 * ms, StallMax: 600 * ms,
	Beacon: 102.4 * ms, AwakeFor: 200 * ms,
}

// HostileWiFi is BusyWiFi without a good moment: each message has 1 to 30 ms of jitter,
// every value as likely as another, in each direction.
var HostileWiFi = Network{
	BaseUp: 1200, BaseDown: 1000,
	JitterMin: 1 * ms, JitterMax: 30 * ms, Flat: true, DownFactor: 1,
	SpikeOdds: 0.01, SpikeMin: 50 * ms, SpikeMax: 250 * ms,
	StallEvery: 20 * sec, StallMin: 100 * ms, StallMax: 600 * ms,
	Beacon: 102.4 * ms, AwakeFor: 200 * ms,
}

// Room is the clock of a device that was switched on in a heated room: ppm off, 2 ppm
// more while it warms up, and 0.3 ppm with each hour's turn of the heating. Both are
// some three times what a crystal of 0.04 ppm/K² near its turning point does.
func Room(ppm float64) Crystal {
	return Crystal{
		OffsetUS: 5e9, PPM: ppm, WarmPPM: 2, WarmUS: 600 * sec, SwingPPM: 0.3, SwingUS: 3600 * sec,
	}
}

// Case is a network with what is asked of the estimate on it.
type Case struct {
	Name    string
	Network Network
	// BoundUS is how far the estimate may be off for 99 % of the time, from SettledS
	// seconds on.
	BoundUS, SettledS float64
}

// Cases are the networks of docs/clock.md.
func Cases() []Case {
	return []Case{
		{"wired", Wired, 50, 300},
		{"home Wi-Fi", HomeWiFi, 500, 300},
		{"busy Wi-Fi", BusyWiFi, 500, 900},
		{"hostile Wi-Fi", HostileWiFi, 500, 900},
	}
}

// Seeds of docs/clock.md; odd ones have a crystal that is 100 ppm slow, even ones one
// that is as fast.
const Seeds = 8

// Hours that each case lasts.
const Hours = 6

// Scenario is the case with one seed.
func (c Case) Scenario(seed uint64) Scenario {
	ppm := 100.0
	if seed%2 == 1 {
		ppm = -ppm
	}
	return Scenario{Name: c.Name, Network: c.Network, Crystal: Room(ppm), Seed: seed, Hours: Hours}
}
