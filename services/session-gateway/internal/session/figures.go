package session

import (
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/pump"
)

// This file is what others may know of what the writer sent.

const (
	// statusEvery is how often the writer refreshes its status for others, µs.
	statusEvery = 500_000
	// statusIdle is the same while nothing is sent, µs.
	statusIdle = 2_000_000
)

// status is the stream's figures for presence.
type status struct {
	active                  bool
	bufferedUS              int64
	bufferedBytes           int
	stats                   pump.Stats
	images, imagesCancelled uint64
	frames, framesDropped   uint64
}

// fill writes the figures into what is known of the stream; nil stays nil.
func (st status) fill(s *tuttiv1.StreamStatus) {
	if s == nil {
		return
	}
	s.BufferedMs, s.BufferedBytes = st.bufferedUS/1000, int64(st.bufferedBytes)
	s.ChunksSent, s.ChunksLate = st.stats.Sent, st.stats.Late
	s.MinLeadMs, s.Late_10S, s.SentUntilUs = st.stats.MinLead/1000, st.stats.LateNow, st.stats.End
}

// Status is the stream's figures as of half a second ago at most.
func (w *writer) Status() status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// refresh updates the status for others.
func (w *writer) refresh(now int64, always bool) {
	if !always && now-w.statusAt < statusEvery {
		return
	}
	w.statusAt = now
	s := status{active: w.pump.Active(), stats: w.pump.Stats(now)}
	s.bufferedUS, s.bufferedBytes = w.pump.Buffered(now)
	if w.artwork != nil {
		s.images, s.imagesCancelled = w.artwork.gallery.Counts()
	}
	w.countVisual(&s)
	// Counters are shared by all sessions: they are not touched per chunk.
	w.m.Chunks.Add(float64(s.stats.Sent - w.counted.Sent))
	w.m.ChunksLate.Add(float64(s.stats.Late - w.counted.Late))
	w.m.AudioBytes.Add(float64(s.stats.Bytes - w.counted.Bytes))
	w.counted = s.stats
	w.mu.Lock()
	w.status = s
	w.mu.Unlock()
}
