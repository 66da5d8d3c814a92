package client

import "github.com/tutti-audio/tutti/sendspin/wire"

// audioTrack follows the timeline of the player stream.
type audioTrack struct {
	nextSample int64 // least timestamp of the next chunk
	started    bool  // nextSample holds
	trigger    int64 // server_transmitted of a start from empty or a clear; 0 afterwards
	needsLead  bool
}

// flacHeader checks that a codec header is "fLaC" and a STREAMINFO that agrees with
// the stream.
func (r *referee) flacHeader(p *wire.PlayerStream) {
	const rule = "Codec framing"
	h := p.CodecHeader
	if len(h) < 42 || string(h[:4]) != "fLaC" || h[4]&0x7f != 0 || int(h[5])<<16|int(h[6])<<8|int(h[7]) != 34 {
		r.s.broken(rule, "the FLAC codec header is not fLaC and STREAMINFO")
		return
	}
	rate := int(h[18])<<12 | int(h[19])<<4 | int(h[20])>>4
	channels := int(h[20]>>1)&7 + 1
	depth := int(h[20]&1)<<4 | int(h[21])>>4 + 1
	got := wire.AudioFormat{Codec: wire.CodecFLAC, Channels: channels, SampleRate: rate, BitDepth: depth}
	r.check(got == p.Format, rule, "STREAMINFO says %s, stream/start %s", got, p.Format)
}

// chunk checks an audio chunk.
func (r *referee) chunk(c wire.AudioChunk, st *stream, at int64) {
	const rule = "Audio Chunks (Binary)"
	if st == nil {
		r.s.broken(rule, "a chunk outside of an active player stream")
		return
	}
	r.check(r.mayStart(at), rule, "a chunk while the client is not available")
	samples, err := chunkSamples(st.format, c.Data)
	if err != nil {
		r.s.broken("Codec framing", "%v", err)
		return
	}
	duration := int64(samples) * 1_000_000 / int64(st.format.SampleRate)
	r.check(duration <= longestChunk, "Server Audio Send Constraints", "a chunk of %d µs, at most %d are allowed", duration, longestChunk)
	r.timeline(c.Timestamp, duration, at)
	r.sendAhead(c, at)
	r.capacity(c, duration, at)
}

// timeline checks that timestamps go on where the last chunk ended, or later, and
// that the first one leaves the player its lead.
func (r *referee) timeline(timestamp, duration, at int64) {
	const rule = "Server Audio Send Constraints"
	t := &r.audio
	if t.started {
		// Chunks that do not last whole microseconds round by up to one.
		r.check(timestamp >= t.nextSample-2, rule, "a chunk starts %d µs before the last one ends", t.nextSample-timestamp)
	}
	t.nextSample, t.started = timestamp+duration, true
	if !t.needsLead {
		return
	}
	t.needsLead = false
	lead, least := timestamp-t.trigger, r.leastLead(at)
	r.check(lead >= least, rule, "the first chunk comes %d µs after its trigger, min_buffer_ms and output_delay_ms ask for %d", lead, least)
}

// sendAhead checks that the transmit time is not after the arrival.
func (r *referee) sendAhead(c wire.AudioChunk, at int64) {
	f := r.s.timing.filter
	if !f.Converged() {
		return
	}
	now := f.ServerTime(at)
	if wire.SendAheadMeasured(c.SendAhead) {
		early := c.Timestamp - int64(c.SendAhead) - now
		r.check(early <= r.slack(), "Transmit timestamps", "send_ahead puts the transmission %d µs after the arrival", early)
		return
	}
	if c.SendAhead == 0 {
		r.check(c.Timestamp <= now+r.slack(), "Audio Chunks (Binary)", "send_ahead is 0, %d µs before the timestamp", c.Timestamp-now)
	}
}

// capacity checks the buffer accounting at the moment of transmission.
func (r *referee) capacity(c wire.AudioChunk, duration, at int64) {
	size := wire.AudioHeaderLen + len(c.Data)
	var now int64 // 0: no later than any chunk before
	if wire.SendAheadMeasured(c.SendAhead) {
		now = c.Timestamp - int64(c.SendAhead)
	} else if f := r.s.timing.filter; f.Converged() {
		now = f.ServerTime(at)
	}
	// A longer delay completes chunks earlier, so the longest possible one is lenient.
	r.accounting.SetOutputDelay(r.longestDelay(at), now)
	r.check(r.accounting.CanSend(size, now), "Player Buffer Accounting",
		"a chunk of %d bytes on top of %d outstanding ones exceeds buffer_capacity %d", size, r.accounting.Count(now), r.accounting.Capacity())
	r.accounting.Sent(c.Timestamp, duration, size, now)
}
