package client

import (
	"math"

	"github.com/tutti-audio/tutti/sendspin/clock"
)

// filterCopy is a snapshot of a time filter that is never changed.
type filterCopy struct {
	clock.Filter
	maxErr int64 // of the newest measurement
}

// Stats is a snapshot of what the client has counted. The counts go on over
// connections.
type Stats struct {
	// ServerID is the admitted server's, "" without one.
	ServerID string
	// Roles are active on its connection.
	Roles []string
	// Connections counts completed handshakes.
	Connections uint64
	// Chunks and Bytes count audio chunks with their headers; Outside those that came
	// outside of a stream, Late those that came after they should have been heard.
	Chunks, Bytes, Outside, Late uint64
	// Images counts images that arrived completely, empty ones that clear a channel too.
	Images uint64
	// Frames counts visualizer frames, FramesLate those among them that came after they
	// should have been shown and were dropped.
	Frames, FramesLate uint64
	// MinLeadUS is the least time between the arrival of a chunk and the moment it
	// should be heard, since the last start, clear or format change, in
	// microseconds; MaxInt64 before the first chunk on a synchronized clock.
	MinLeadUS int64
	// MaxDelayUS is the largest arrival delay of a chunk with a measured send_ahead
	// (section Measuring timing parameters), in microseconds.
	MaxDelayUS int64
	// Captured counts source audio chunks that were sent, CaptureDropped those that
	// were not: the connection was too slow, or the server wanted no more.
	Captured, CaptureDropped uint64
	// Violations counts broken rules (Strict only).
	Violations uint64
	// Synced is true once playback can be scheduled; the four values below describe
	// the time filter.
	Synced       bool
	Measurements int
	OffsetUS     float64
	DriftPPM     float64
	StdDevUS     float64
	MaxErrUS     int64
}

// Stats returns the counts of now.
func (c *Client) Stats() Stats {
	s := Stats{
		Connections: c.stats.connections.Load(), Chunks: c.stats.chunks.Load(), Bytes: c.stats.bytes.Load(),
		Outside: c.stats.outside.Load(), Late: c.stats.late.Load(), MinLeadUS: c.stats.minLead.Load(),
		Images: c.stats.images.Load(),
		Frames: c.stats.frames.Load(), FramesLate: c.stats.framesLate.Load(),
		MaxDelayUS: c.stats.maxDelay.Load(), Violations: c.stats.violations.Load(), StdDevUS: math.Inf(1),
		Captured: c.stats.captured.Load(), CaptureDropped: c.stats.captureDropped.Load(),
	}
	if id := c.stats.serverID.Load(); id != nil {
		s.ServerID = *id
	}
	if roles := c.stats.roles.Load(); roles != nil {
		s.Roles = *roles
	}
	if f := c.stats.filter.Load(); f != nil {
		s.Synced, s.Measurements, s.MaxErrUS = f.Converged(), f.Count(), f.maxErr
		s.OffsetUS, s.DriftPPM, s.StdDevUS = f.Offset(), f.Drift()*1e6, f.StdDev()
	}
	return s
}
