package client

import (
	"math"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// streamInfo is "fLaC" and a STREAMINFO for 48 kHz, 24 bit, stereo.
func streamInfo() []byte {
	h := make([]byte, 42)
	copy(h, "fLaC")
	h[4], h[7] = 0x80, 34
	const rate, channels, depth = 48000, 2, 24
	h[18], h[19], h[20] = rate>>12&0xff, rate>>4&0xff, rate<<4&0xf0|(channels-1)<<1|(depth-1)>>4
	h[21] = (depth - 1) << 4 & 0xf0
	return h
}

// audioWith sends a chunk with a send_ahead of the test's choice.
func audioWith(t *testing.T, srv *sendspintest.Server, timestamp int64, sendAhead uint32, data []byte) {
	t.Helper()
	plain := append(make([]byte, wire.AudioHeaderLen), data...)
	wire.PutAudioHeader(plain, timestamp, sendAhead)
	if err := srv.Conn.WritePlain(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
}

func TestRefereeSeesViolations(t *testing.T) {
	flac := wire.AudioFormat{Codec: wire.CodecFLAC, Channels: 2, SampleRate: 48000, BitDepth: 24}
	start := func(srv *sendspintest.Server) int64 {
		now := srv.Now()
		srv.Send(&wire.StreamStart{ServerTransmitted: now, Player: &wire.PlayerStream{Format: pcm}})
		return now + 20_000_000
	}
	for name, c := range map[string]struct {
		rule   string
		script func(t *testing.T, r *rig)
	}{
		"chunk without stream": {"Audio Chunks", func(t *testing.T, r *rig) { r.srv.SendAudio(r.srv.Now()+1e6, pcm20) }},
		"chunk after the end": {"Audio Chunks", func(t *testing.T, r *rig) {
			at := start(r.srv)
			r.srv.Send(&wire.StreamEnd{})
			r.srv.SendAudio(at, pcm20)
		}},
		"overlap": {"Server Audio Send Constraints", func(t *testing.T, r *rig) {
			at := start(r.srv)
			r.srv.SendAudio(at, pcm20)
			r.srv.SendAudio(at+19_000, pcm20)
		}},
		"time goes back in place": {"Server Audio Send Constraints", func(t *testing.T, r *rig) {
			at := start(r.srv)
			r.srv.SendAudio(at, pcm20)
			start(r.srv)
			r.srv.SendAudio(at, pcm20)
		}},
		"chunk too long": {"Server Audio Send Constraints", func(t *testing.T, r *rig) { r.srv.SendAudio(start(r.srv), make([]byte, 7201*4)) }},
		"half a frame":   {"Codec framing", func(t *testing.T, r *rig) { r.srv.SendAudio(start(r.srv), pcm20[:39]) }},
		"no lead":        {"Server Audio Send Constraints", func(t *testing.T, r *rig) { r.srv.SendAudio(start(r.srv)-19_950_000, pcm20) }},
		"no lead after clear": {"Server Audio Send Constraints", func(t *testing.T, r *rig) {
			r.srv.SendAudio(start(r.srv), pcm20)
			now := r.srv.Now()
			r.srv.Send(&wire.StreamClear{ServerTransmitted: now})
			r.srv.SendAudio(now+50_000, pcm20)
		}},
		"buffer overrun": {"Player Buffer Accounting", func(t *testing.T, r *rig) {
			at := start(r.srv)
			for i := range int64(4) { // 4 × 28813 bytes, capacity 100000
				r.srv.SendAudio(at+i*150_000, make([]byte, 7200*4))
			}
		}},
		"send_ahead in the future": {"Transmit timestamps", func(t *testing.T, r *rig) { audioWith(t, r.srv, start(r.srv), 10_000, pcm20) }},
		"send_ahead 0 too early":   {"Audio Chunks", func(t *testing.T, r *rig) { audioWith(t, r.srv, start(r.srv), 0, pcm20) }},
		"truncated chunk":          {"Audio Chunks", func(t *testing.T, r *rig) { _ = r.srv.Conn.WriteMessage(t.Context(), wire.IDAudio, []byte{1, 2}) }},
		"undefined field": {"Communication", func(t *testing.T, r *rig) {
			r.srv.SendRaw([]byte(`{"type":"group/update","payload":{"playback_state":"playing","group_id":"g","group_name":"","extra":1}}`))
		}},
		"undefined message": {"Communication", func(t *testing.T, r *rig) { r.srv.SendRaw([]byte(`{"type":"server/dance","payload":{}}`)) }},
		"start in the future": {"stream/start", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now() + 100e6, Player: &wire.PlayerStream{Format: pcm}})
		}},
		"start of another role": {"stream/start", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Visualizer: &wire.VisualizerStream{}})
		}},
		"format not listed": {"stream/start", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: wire.AudioFormat{Codec: "pcm", Channels: 1, SampleRate: 8000, BitDepth: 8}}})
		}},
		"wrong STREAMINFO": {"Codec framing", func(t *testing.T, r *rig) {
			h := streamInfo()
			h[19]++
			r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: flac, CodecHeader: h}})
		}},
		"no STREAMINFO": {"Codec framing", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: flac, CodecHeader: []byte("fLaC")}})
		}},
		"clear without stream": {"stream/clear", func(t *testing.T, r *rig) { r.srv.Send(&wire.StreamClear{ServerTransmitted: r.srv.Now()}) }},
		"clear of another role": {"stream/clear", func(t *testing.T, r *rig) {
			start(r.srv)
			r.srv.Send(&wire.StreamClear{ServerTransmitted: r.srv.Now(), Roles: []string{"visualizer"}})
		}},
		"end without stream": {"stream/end", func(t *testing.T, r *rig) { r.srv.Send(&wire.StreamEnd{}) }},
		"role gone, no end":  {"server/activate", func(t *testing.T, r *rig) { start(r.srv); r.srv.Activate(nil, wire.RoleMetadataV1) }},
		"role not listed":    {"server/activate", func(t *testing.T, r *rig) { r.srv.Activate(nil, wire.RolePlayerV1, wire.RoleColorV1) }},
		"state of no role":   {"server/state", func(t *testing.T, r *rig) { r.srv.Send(&wire.ServerState{Color: &wire.Color{}}) }},
		"first is scheduled": {"server/state", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: r.srv.Now() + 15e6}})
		}},
		"scheduled too far": {"server/state", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: r.srv.Now() + 100e6}})
		}},
		"command not offered": {"server/command", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.ServerCommand{Player: &wire.PlayerCommand{Command: "mute", Mute: ptr(true)}})
		}},
		"command to no role": {"server/command", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.ServerCommand{Source: &wire.SourceCommand{Command: "start"}})
		}},
		"time out of nowhere": {"server/time", func(t *testing.T, r *rig) {
			r.srv.Send(&wire.ServerTime{ClientTransmitted: 1, ServerReceived: 2, ServerTransmitted: 3})
		}},
		"message of no role": {"Binary Message ID Structure", func(t *testing.T, r *rig) { _ = r.srv.Conn.WriteMessage(t.Context(), wire.IDPeak, make([]byte, 9)) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sendspintest.ServerOptions{}, func(cfg *Config) {
				cfg.Commands, cfg.BufferCapacity = []string{"volume"}, 100_000
			})
			r.play(t, wire.RolePlayerV1, wire.RoleMetadataV1)
			r.wantNoViolations(t)
			c.script(t, r)
			v := waitFor[Violation](t, r.recorder)
			if !strings.HasPrefix(v.Rule, c.rule) || v.Detail == "" {
				t.Errorf("violation %q, want one of %q", v, c.rule)
			}
		})
	}
}

func TestRefereeAcceptsAGoodServer(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(cfg *Config) { cfg.BufferCapacity = 4 * 28813 })
	r.play(t, wire.RolePlayerV1, wire.RoleMetadataV1)
	r.srv.Send(&wire.GroupUpdate{PlaybackState: "playing", GroupID: "g"})
	r.srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: r.srv.Now()}})
	now := r.srv.Now()
	r.srv.Send(&wire.StreamStart{ServerTransmitted: now, Player: &wire.PlayerStream{Format: pcm}})
	at := now + 200_000
	for range 4 { // exactly full
		r.srv.SendAudio(at, make([]byte, 7200*4))
		at += 150_000
	}
	flac := testFormats()[0]
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: flac, CodecHeader: streamInfo()}})
	r.srv.Send(&wire.StreamClear{ServerTransmitted: r.srv.Now(), Roles: []string{"player"}})
	r.srv.SendAudio(r.srv.Now()+300_000, flacFrame(960, 0))
	r.srv.Send(&wire.StreamEnd{})
	r.srv.Activate(nil, wire.RoleMetadataV1)
	r.settle(t)
	r.wantNoViolations(t)
	if n := r.c.Stats().Chunks; n != 5 {
		t.Errorf("%d chunks", n)
	}
}

func TestRefereeMissesWhatIsOwed(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.srv.Greet()
	r.srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1, wire.RoleMetadataV1)
	waitFor[Activated](t, r.recorder)
	// The deadlines are read by the core; call it from there.
	r.inCore(t, func(k *core) { k.holder.referee.tick(k.cfg.Now() + promptly) })
	rules := map[string]bool{}
	for _, v := range r.violations() {
		rules[v.Rule] = true
	}
	if !rules["group/update"] || !rules["server/state"] {
		t.Errorf("violations %v", r.violations())
	}
}

func TestRefereeAllowsForCrossingMessages(t *testing.T) {
	ref := &referee{availableAt: never, unavailableAt: never}
	if ref.mayStart(5) {
		t.Error("before available: true")
	}
	ref.reported(&wire.ClientState{Available: true, Player: &wire.PlayerState{OutputDelayMS: 100, MinBufferMS: 20}}, 10)
	ref.reported(&wire.ClientState{Available: false, Player: &wire.PlayerState{OutputDelayMS: 50, MinBufferMS: 40}}, 100)
	if !ref.mayStart(100+crossing) || ref.mayStart(101+crossing) {
		t.Error("available: false counts after the time that messages may cross")
	}
	if delay, lead := ref.longestDelay(200), ref.leastLead(200); delay != 100_000 || lead != 90_000 {
		t.Errorf("delay %d and lead %d while messages may cross", delay, lead)
	}
	ref.reported(&wire.ClientState{Available: true, Player: &wire.PlayerState{OutputDelayMS: 10, MinBufferMS: 400}}, 200)
	if delay, lead := ref.longestDelay(101+crossing), ref.leastLead(101+crossing); delay != 50_000 || lead != 90_000 {
		t.Errorf("delay %d and lead %d after the first change", delay, lead)
	}
	if delay, lead := ref.longestDelay(201+crossing), ref.leastLead(201+crossing); delay != 10_000 || lead != 410_000 {
		t.Errorf("delay %d and lead %d afterwards", delay, lead)
	}
}

func TestDeadServerIsNoticed(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, nil)
	r.srv.AnswerTime(false)
	r.srv.Greet()
	r.srv.Activate(nil)
	waitFor[Activated](t, r.recorder)
	if err := r.c.do(func(k *core) {
		for s := k.holder; s.phase != over; {
			s.tickTiming(s.timing.Due())
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.end(t); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("ended with %v", err)
	}
}

func TestMinLeadStartsOver(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.Strict = false })
	r.play(t, wire.RolePlayerV1)
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
	r.srv.SendAudio(r.srv.Now()-5_000_000, pcm20)
	r.nextChunk(t)
	if s := r.c.Stats(); s.MinLeadUS > -4_000_000 || s.Late != 1 {
		t.Errorf("lead %d, late %d", s.MinLeadUS, s.Late)
	}
	r.srv.Send(&wire.StreamClear{ServerTransmitted: r.srv.Now()})
	waitFor[StreamCleared](t, r.recorder)
	if s := r.c.Stats(); s.MinLeadUS != math.MaxInt64 {
		t.Errorf("lead %d after a clear", s.MinLeadUS)
	}
}
