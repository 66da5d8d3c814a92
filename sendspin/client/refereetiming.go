package client

import "github.com/tutti-audio/tutti/sendspin/wire"

// reportedTiming is what the client said about its timing, in µs. The server may not
// have heard of it yet.
type reportedTiming struct {
	delay, buffer int64
	at            int64 // client's clock
}

// reported notes a client/state that was sent.
func (r *referee) reported(m *wire.ClientState, now int64) {
	r.commandsFrom = true
	r.sourceFrom = r.sourceFrom || m.Source != nil
	if m.Available {
		r.availableAt, r.unavailableAt = min(r.availableAt, now), never
	} else if r.unavailableAt == never {
		r.unavailableAt = now
	}
	r.artworkReported(m.Artwork, now)
	if m.Visualizer != nil {
		r.visualReported(m.Visualizer, now)
	}
	if m.Player == nil {
		return
	}
	t := reportedTiming{delay: int64(m.Player.OutputDelayMS) * 1000, buffer: int64(m.Player.MinBufferMS) * 1000, at: now}
	if n := len(r.timings); n > 0 && r.timings[n-1].delay == t.delay && r.timings[n-1].buffer == t.buffer {
		return
	}
	r.timings = append(r.timings, t)
}

// known drops the timings that the server cannot go by any more.
func (r *referee) known(now int64) []reportedTiming {
	for len(r.timings) > 1 && now > r.timings[1].at+crossing {
		r.timings = r.timings[1:]
	}
	return r.timings
}

// longestDelay returns the largest output delay that the server may go by. It
// completes chunks the earliest, so it allows the server most.
func (r *referee) longestDelay(now int64) (us int64) {
	for _, t := range r.known(now) {
		us = max(us, t.delay)
	}
	return us
}

// leastLead returns the smallest start lead that the server may go by.
func (r *referee) leastLead(now int64) int64 {
	least := never
	for _, t := range r.known(now) {
		least = min(least, t.delay+t.buffer)
	}
	return least
}

// mayStart reports whether the server may go by available: true.
func (r *referee) mayStart(now int64) bool {
	return r.availableAt != never && (r.unavailableAt == never || now <= r.unavailableAt+crossing)
}
