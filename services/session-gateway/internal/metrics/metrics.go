// Package metrics is what Prometheus hears of the gateway. No label names a
// client: their number is not bounded.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/lease"
)

// Metrics of one gateway.
type Metrics struct {
	Sessions        prometheus.Gauge
	HalfOpen        prometheus.Gauge
	Handshakes      *prometheus.CounterVec // result
	HandshakeStops  *prometheus.CounterVec // stage: where those stopped that failed
	HandshakeTime   prometheus.Histogram
	Closes          *prometheus.CounterVec // reason
	Chunks          prometheus.Counter
	ChunksLate      prometheus.Counter
	AudioBytes      prometheus.Counter
	ArtworkBytes    prometheus.Counter
	ArtworkMissing  prometheus.Counter
	VisualFrames    prometheus.Counter
	VisualDropped   prometheus.Counter
	BadTapeChunks   prometheus.Counter
	WriteStalls     prometheus.Counter
	OutboxHigh      prometheus.Gauge
	ClockReplies    prometheus.Counter
	ClockDropped    prometheus.Counter
	Ignored         *prometheus.CounterVec // kind: what clients said and this server does not know
	CommandsDenied  prometheus.Counter
	Tapes           prometheus.Gauge
	Refused         *prometheus.CounterVec // why: before the handshake
	Admission       *prometheus.CounterVec // result: what became of a connection before its handshake
	Capacity        prometheus.Gauge
	Queued          prometheus.Gauge
	Rebalanced      prometheus.Counter
	Rekeys          *prometheus.CounterVec // category of the new PSK
	Relays          prometheus.Counter
	ErrandsDropped  prometheus.Counter
	SourceChunks    prometheus.Counter
	SourceDiscarded prometheus.Counter
	SourceLost      prometheus.Counter
	// Fenced counts what came from a holder that another one has followed: receiver
	// "session" (commands) or "tape" (chunks).
	Fenced *prometheus.CounterVec
}

// Results of a handshake, the label "result".
const (
	ResultOK         = "ok"
	ResultInit       = "init_failure"
	ResultTimeout    = "timeout"
	ResultCredential = "no_credential"
	ResultFailed     = "failed"
	ResultDuplicate  = "already_connected"
	ResultGoodbye    = "goodbye"
	ResultDial       = "dial_failed"
)

// Results of admission, the label "result" of tutti_gateway_admission_total.
const (
	AdmitOK       = "accepted"
	AdmitQueued   = "accepted_after_waiting"
	AdmitBusy     = "busy"     // too many handshakes, and too many that wait for theirs
	AdmitTimeout  = "gave_up"  // waited too long for its handshake
	AdmitFull     = "full"     // this gateway has all the sessions that it takes
	AdmitDraining = "draining" // this gateway is on its way out
)

// New registers the metrics; r may be nil in tests.
func New(r prometheus.Registerer) *Metrics {
	const ns = "tutti_gateway_"
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: ns + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: ns + name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: ns + name, Help: help}, []string{label})
	}
	m := &Metrics{
		Sessions:       gauge("sessions", "Live sessions."),
		HalfOpen:       gauge("half_open", "Connections in their opening handshake."),
		Handshakes:     vec("handshakes_total", "Opening handshakes by result.", "result"),
		HandshakeStops: vec("handshakes_stopped_total", "Opening handshakes that failed, by the stage that they stopped at.", "stage"),
		HandshakeTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: ns + "handshake_seconds", Help: "Time from the socket to client/hello of successful handshakes.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 30},
		}),
		Closes:          vec("closes_total", "Sessions that ended, by reason.", "reason"),
		Chunks:          counter("chunks_sent_total", "Audio chunks sent."),
		ChunksLate:      counter("chunks_late_total", "Audio chunks skipped because their time had come."),
		AudioBytes:      counter("audio_bytes_total", "Bytes of audio chunks sent, headers included."),
		ArtworkBytes:    counter("artwork_bytes_total", "Bytes of artwork messages sent."),
		ArtworkMissing:  counter("artwork_missing_total", "Images that could not be fetched for a display."),
		VisualFrames:    counter("visual_frames_total", "Visualizer messages sent."),
		VisualDropped:   counter("visual_frames_dropped_total", "Visualizer frames dropped: too late, or no room in the client's buffer."),
		BadTapeChunks:   counter("tape_chunks_bad_total", "Chunks on a tape that cannot be used."),
		WriteStalls:     counter("write_stalls_total", "Sessions closed because a write took longer than the deadline."),
		OutboxHigh:      gauge("outbox_depth_max", "Deepest control lane of a session since the start."),
		ClockReplies:    counter("clock_replies_total", "server/time messages sent."),
		ClockDropped:    counter("clock_requests_dropped_total", "client/time messages dropped because too many were waiting."),
		Ignored:         vec("ignored_total", "Roles, message types, ids and values of clients that this server does not know, by kind.", "kind"),
		CommandsDenied:  counter("session_commands_refused_total", "Session commands answered with an error."),
		Tapes:           gauge("tapes", "Tapes held in memory."),
		Refused:         vec("connections_refused_total", "Connections refused before their handshake.", "why"),
		Admission:       vec("admission_total", "Connections of both directions before their handshake, by what became of them.", "result"),
		Capacity:        gauge("capacity_sessions", "Sessions that this gateway takes at most."),
		Rebalanced:      counter("rebalanced_total", "Resting sessions sent to the gateway that their device is dealt to."),
		Queued:          gauge("admission_queue", "Inbound connections that wait for their opening handshake."),
		Rekeys:          vec("rehandshakes_total", "Re-handshakes on live sessions, by the category of the new PSK.", "category"),
		Relays:          counter("pairing_relays_total", "Pairing messages of clients handed to their attempt."),
		ErrandsDropped:  counter("errands_dropped_total", "Reports to pairing given up, because too many waited or nobody answered."),
		SourceChunks:    counter("source_chunks_total", "Audio chunks of sources passed on."),
		SourceDiscarded: counter("source_chunks_discarded_total", "Audio chunks of sources that nobody wanted any more."),
		SourceLost:      counter("source_messages_lost_total", "Messages of sources that could not be published."),
	}
	m.Fenced = lease.Fenced(r)
	if r != nil {
		r.MustRegister(m.Sessions, m.HalfOpen, m.Handshakes, m.HandshakeStops, m.HandshakeTime, m.Closes, m.Chunks, m.ChunksLate,
			m.AudioBytes, m.ArtworkBytes, m.ArtworkMissing, m.VisualFrames, m.VisualDropped, m.BadTapeChunks, m.WriteStalls, m.OutboxHigh, m.ClockReplies, m.ClockDropped,
			m.Ignored, m.CommandsDenied, m.Tapes, m.Refused, m.Admission, m.Capacity, m.Queued, m.Rebalanced, m.Rekeys, m.Relays, m.ErrandsDropped,
			m.SourceChunks, m.SourceDiscarded, m.SourceLost)
	}
	return m
}
