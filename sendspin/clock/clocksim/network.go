package clocksim

import (
	"math"
	"math/rand/v2"
)

// Network says how long messages take. Times are microseconds.
type Network struct {
	// BaseUp and BaseDown are the least delays from the client to the server and back.
	// Half their difference is an error that no exchange can see.
	BaseUp, BaseDown float64
	// Jitter is added to every message: exponential, with a mean that wanders between
	// the two as the medium fills and empties. Down is scaled by DownFactor.
	JitterMin, JitterMax, DownFactor float64
	// Flat draws every message's jitter evenly between the two bounds instead.
	Flat bool
	// JitterMemory is how long the mean takes to change.
	JitterMemory float64
	// SpikeOdds is the chance that a message waits SpikeMin to SpikeMax longer.
	SpikeOdds, SpikeMin, SpikeMax float64
	// StallEvery is the mean time between moments at which nothing moves for StallMin
	// to StallMax.
	StallEvery, StallMin, StallMax float64
	// Beacon is the time between the beacons for which messages to a sleeping client
	// wait; 0 never sleeps. A client sleeps after AwakeFor without a message.
	Beacon, AwakeFor float64
}

// link is a network at work. Times go forward only.
type link struct {
	Network
	r *rand.Rand

	level      float64 // log of the jitter's mean, 0 to 1 between the bounds
	levelAt    float64
	stall      [2]float64 // the current or next one
	activeAt   float64    // last message to or from the client
	upAt, dnAt float64    // last arrivals: messages keep their order
}

func newLink(n Network, r *rand.Rand) *link {
	l := &link{Network: n, r: r, level: r.Float64()}
	l.stall = [2]float64{math.Inf(1), math.Inf(1)}
	if n.StallEvery > 0 {
		l.nextStall(0)
	}
	return l
}

func (l *link) nextStall(after float64) {
	from := after + l.r.ExpFloat64()*l.StallEvery
	l.stall = [2]float64{from, from + l.StallMin + l.r.Float64()*(l.StallMax-l.StallMin)}
}

// mean is the jitter's mean at time t.
func (l *link) mean(t float64) float64 {
	if l.JitterMax <= l.JitterMin {
		return l.JitterMax
	}
	// A random walk between two walls: every level is as likely in the long run.
	l.level += l.r.NormFloat64() * math.Sqrt(max(t-l.levelAt, 0)/l.JitterMemory)
	l.levelAt = max(t, l.levelAt)
	l.level = math.Abs(math.Mod(l.level, 2))
	if l.level > 1 {
		l.level = 2 - l.level
	}
	return l.JitterMin * math.Pow(l.JitterMax/l.JitterMin, l.level)
}

// pass returns when a message that is sent at t arrives, without order.
func (l *link) pass(t, base, factor float64) float64 {
	for t >= l.stall[1] {
		l.nextStall(l.stall[1])
	}
	if t >= l.stall[0] {
		t = l.stall[1]
	}
	if l.Flat {
		t += base + (l.JitterMin+l.r.Float64()*(l.JitterMax-l.JitterMin))*factor
	} else {
		t += base + l.r.ExpFloat64()*l.mean(t)*factor
	}
	if l.r.Float64() < l.SpikeOdds {
		t += l.SpikeMin + l.r.Float64()*(l.SpikeMax-l.SpikeMin)
	}
	return t
}

// up sends a message of the client at t and returns its arrival.
func (l *link) up(t float64) float64 {
	l.activeAt = t
	l.upAt = max(l.upAt, l.pass(t, l.BaseUp, 1))
	return l.upAt
}

// down sends a message of the server at t and returns its arrival.
func (l *link) down(t float64) float64 {
	if l.Beacon > 0 && t-l.activeAt > l.AwakeFor {
		t = math.Ceil(t/l.Beacon) * l.Beacon
	}
	l.dnAt = max(l.dnAt, l.pass(t, l.BaseDown, l.DownFactor))
	l.activeAt = l.dnAt
	return l.dnAt
}
