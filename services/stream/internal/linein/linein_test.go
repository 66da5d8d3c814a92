package linein

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/capture"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// house is a house clock that a test sets.
type house struct {
	mu  sync.Mutex
	now int64
}

func (h *house) NowMicros() int64 { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
func (h *house) set(us int64)     { h.mu.Lock(); defer h.mu.Unlock(); h.now = us }

// rig is a hub with a source that the test plays.
type rig struct {
	t     *testing.T
	hub   *Hub
	house *house
	clock *clockwork.FakeClock

	mu      sync.Mutex
	hear    func([]byte)
	subs    int
	asked   []bool // start, or stop
	refuses error

	session, seq uint64
	format       capture.Format
	enc          encode.Encoder
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, house: &house{now: 5_000_000_000}, clock: clockwork.NewFakeClock(), session: 1,
		format: capture.Format{Codec: "pcm", Channels: 1, BitDepth: 16, SampleRate: 48000}}
	r.hub = NewHub(context.Background(), Deps{InstanceID: "one", House: r.house, Clock: r.clock, Log: slog.New(slog.DiscardHandler),
		Subscribe: func(clientID string, h func([]byte)) (func(), error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.hear = h
			r.subs++
			return func() { r.mu.Lock(); defer r.mu.Unlock(); r.subs-- }, nil
		},
		Send: func(_ context.Context, clientID string, c *tuttiv1.SessionCommand) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if clientID != "c" || !strings.HasPrefix(c.GetSource().GetUser(), "stream/one/") {
				t.Errorf("%s is sent %v", clientID, c)
			}
			r.asked = append(r.asked, c.GetSource().GetStart())
			return r.refuses
		},
	})
	t.Cleanup(r.hub.Stop)
	return r
}

func (r *rig) until(what func() string) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		why := what()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(why)
		}
		time.Sleep(time.Millisecond)
	}
}

// say sends a message as the gateway does, and waits until it is taken: what a slow machine
// lets pile up overflows the feeds, which are read one after the other here.
func (r *rig) say(m capture.Message) {
	r.t.Helper()
	m.Session = r.session
	r.mu.Lock()
	h := r.hear
	r.mu.Unlock()
	m.Seq = r.seq
	h(bytes.Clone(capture.Append(nil, &m)))
	r.hub.mu.Lock()
	in := r.hub.intakes["c"]
	r.hub.mu.Unlock()
	r.until(func() string {
		if in != nil && len(in.in) > 0 {
			return fmt.Sprintf("%d messages of the source wait", len(in.in))
		}
		return ""
	})
}

func (r *rig) start() {
	r.seq++
	f := r.format
	r.enc = nil
	if f.Codec == "flac" {
		enc, err := encode.New(pcm.Format{Codec: "flac", SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth}, f.SampleRate/50)
		if err != nil {
			r.t.Fatal(err)
		}
		r.enc, f.Header = enc, enc.Header()
	}
	r.say(capture.Message{Kind: capture.Start, Format: f})
}

func (r *rig) end() { r.seq++; r.say(capture.Message{Kind: capture.End}) }

// chunk plays 20 ms of a constant value, which arrive 2 ms after their end.
func (r *rig) chunk(value int32) {
	frames := r.format.SampleRate / 50
	at := r.house.NowMicros()
	r.house.set(at + 20_000)
	samples := make([]int32, frames*r.format.Channels)
	for i := range samples {
		samples[i] = value
	}
	var data []byte
	if r.enc != nil {
		var err error
		if data, err = r.enc.Encode(nil, samples); err != nil {
			r.t.Fatal(err)
		}
	} else {
		data = pcm.Pack(nil, samples, r.format.BitDepth)
	}
	r.seq++
	r.say(capture.Message{Kind: capture.Audio, TimestampUS: at, Data: data})
}

// open opens a feed while the source plays.
func (r *rig) open() *Feed {
	r.t.Helper()
	type result struct {
		f   *Feed
		err error
	}
	got := make(chan result, 1)
	go func() {
		f, err := r.hub.Open(context.Background(), "c", "Turntable")
		got <- result{f, err}
	}()
	r.until(func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.hear == nil || len(r.asked) == 0 {
			return "the source is not asked"
		}
		return ""
	})
	r.start()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case g := <-got:
			if g.err != nil {
				r.t.Fatal(g.err)
			}
			return g.f
		default:
			r.chunk(1000)
			time.Sleep(2 * time.Millisecond)
		}
	}
	r.t.Fatal("the feed does not open")
	return nil
}

// next reads blocks until one whose middle has the value.
func (r *rig) next(f *Feed, value int32) (frame, captured int64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		b, err := f.Next(ctx)
		if err != nil {
			r.t.Fatalf("no %d: %v", value, err)
		}
		if n := len(b.Samples); n > 0 && abs(b.Samples[n/2]-value*256) < 64 {
			return b.Frame, b.CaptureUS
		}
	}
}

func abs(v int32) int32 { return max(v, -v) }

func TestSourceIsHeardOnTheHouseClock(t *testing.T) {
	for _, codec := range []string{"pcm", "flac"} {
		t.Run(codec, func(t *testing.T) {
			r := newRig(t)
			r.format.Codec, r.format.Channels, r.format.BitDepth = codec, 2, 24
			f := r.open()
			if i := f.Info(); i.SampleRate != 48000 || i.Channels != 2 || i.BitDepth != 24 || !i.Live || i.Tags.Title != "Turntable" {
				t.Errorf("%+v", i)
			}
			for range 3 {
				r.chunk(2000 * 256)
			}
			r.chunk(3000)
			_ = f.Close()
		})
	}
	r := newRig(t)
	f := r.open()
	for range 10 {
		r.chunk(2000)
	}
	ctx := context.Background()
	var last int64
	var next int64 = -1
	for {
		b, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if next >= 0 && b.Frame != next {
			t.Errorf("frame %d follows, want %d", b.Frame, next)
		}
		next = b.Frame + int64(len(b.Samples))
		if want := int64(5_000_000_000) + b.Frame*1_000_000/48000; b.CaptureUS-want > 1500 || want-b.CaptureUS > 1500 {
			t.Errorf("frame %d was captured at %d, want %d", b.Frame, b.CaptureUS, want)
		}
		if b.LateUS < 15_000 || b.LateUS > 40_000 {
			t.Errorf("late by %d µs, chunks of 20 ms are at least that late", b.LateUS)
		}
		if n := len(b.Samples); b.Samples[n-1] > 1990*256 {
			last = b.Frame
			break
		}
	}
	if last == 0 {
		t.Error("nothing heard")
	}
	_ = f.Close()
	r.until(func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.subs != 0 || len(r.asked) == 0 || r.asked[len(r.asked)-1] {
			return fmt.Sprintf("%d subscriptions, asked %v", r.subs, r.asked)
		}
		return ""
	})
}

func TestTwoGroupsHearTheSameFrames(t *testing.T) {
	r := newRig(t)
	a := r.open()
	b, err := r.hub.Open(context.Background(), "c", "Turntable")
	for i := 0; err == nil && b == nil && i < 100; i++ {
		r.chunk(1000)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r.chunk(4000)
	}
	fa, ca := r.next(a, 4000)
	fb, cb := r.next(b, 4000)
	if fa != fb || ca != cb {
		t.Errorf("frames %d and %d, captured at %d and %d", fa, fb, ca, cb)
	}
	r.mu.Lock()
	if r.subs != 1 {
		t.Errorf("%d subscriptions", r.subs)
	}
	r.mu.Unlock()
	_ = a.Close()
	r.chunk(5000)
	r.next(b, 5000)
	_ = b.Close()
	_ = b.Close()
}

// The source comes back on another session: the numbers go on, with the time between.
func TestSourceComesBack(t *testing.T) {
	for _, away := range []int64{600_123, 3_000_000} {
		r := newRig(t)
		f := r.open()
		r.chunk(2000)
		frame, captured := r.next(f, 2000)
		r.house.set(r.house.NowMicros() + away)
		r.session, r.seq = 9, 0
		r.start()
		for range 20 {
			r.chunk(6000)
		}
		after, at := r.next(f, 6000)
		if d := (at - captured) - (after-frame)*1_000_000/48000; d > 2000 || d < -2000 || at-captured < away {
			t.Errorf("away %d µs: %d frames and %d µs later", away, after-frame, at-captured)
		}
		_ = f.Close()
	}
}

// The source comes back on another session, in another format: the numbers go on, with
// the time between.
func TestSourceComesBackInAnotherFormat(t *testing.T) {
	r := newRig(t)
	f := r.open()
	r.chunk(2000)
	frame, captured := r.next(f, 2000)
	r.end()
	r.house.set(r.house.NowMicros() + 3_000_000)
	r.session, r.seq = 9, 0
	r.format = capture.Format{Codec: "pcm", Channels: 2, BitDepth: 24, SampleRate: 44100}
	r.start()
	for range 20 {
		r.chunk(6000 * 256)
	}
	after, at := r.next(f, 6000)
	if d := (at - captured) - (after-frame)*1_000_000/48000; d > 2000 || d < -2000 || at-captured < 3_000_000 {
		t.Errorf("%d frames and %d µs later", after-frame, at-captured)
	}
	_ = f.Close()
}

func TestSilentSourceEnds(t *testing.T) {
	r := newRig(t)
	f := r.open()
	r.mu.Lock()
	r.refuses = fault.New(fault.Conflict, "client c: its source role is not active")
	r.mu.Unlock()
	r.house.set(r.house.NowMicros() + 11_000_000)
	failed := make(chan error, 1)
	go func() {
		for {
			if _, err := f.Next(context.Background()); err != nil {
				failed <- err
				return
			}
		}
	}()
	for done := false; !done; {
		select {
		case err := <-failed:
			if !strings.Contains(err.Error(), "has sent no audio for 10 s") {
				t.Errorf("%v", err)
			}
			done = true
		default:
			r.clock.Advance(renewEvery)
			time.Sleep(time.Millisecond)
		}
	}
	_ = f.Close()
}

func TestSourceThatDoesNotBegin(t *testing.T) {
	r := newRig(t)
	r.refuses = fault.New(fault.Conflict, "client c: it is not available")
	failed := make(chan error, 1)
	go func() {
		_, err := r.hub.Open(context.Background(), "c", "Turntable")
		failed <- err
	}()
	// The source has refused once: Open, the wish and the watch all wait for the clock.
	if err := r.clock.BlockUntilContext(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case err := <-failed:
			if err == nil || !strings.Contains(err.Error(), "it is not available") {
				t.Errorf("%v", err)
			}
			return
		default:
			r.clock.Advance(time.Second)
			time.Sleep(time.Millisecond)
		}
	}
}

func TestUnusableFormatIsNamed(t *testing.T) {
	s := &stream{}
	m := capture.Append(nil, &capture.Message{Kind: capture.Start, Session: 1, Seq: 1, Format: capture.Format{Codec: "pcm", Channels: 2, BitDepth: 20, SampleRate: 48000}})
	if _, err := s.take(message{m, 1}); err == nil || !strings.Contains(err.Error(), "16 or 24 bit") {
		t.Errorf("%v", err)
	}
}

// Hints and messages of former sessions change nothing; nor does nonsense.
func TestWhatIsNotOurs(t *testing.T) {
	s := &stream{}
	f := capture.Format{Codec: "pcm", Channels: 1, BitDepth: 16, SampleRate: 8000}
	put := func(m capture.Message) *block {
		t.Helper()
		b, err := s.take(message{capture.Append(nil, &m), m.TimestampUS + 22_000})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	audio := func(session, seq uint64) *block {
		return put(capture.Message{Kind: capture.Audio, Session: session, Seq: seq, TimestampUS: int64(seq) * 20_000, Data: make([]byte, 320)})
	}
	if audio(5, 2) != nil {
		t.Error("audio before a start")
	}
	put(capture.Message{Kind: capture.Start, Session: 5, Seq: 2, Format: f}) // a hint for one who came late
	if audio(5, 3) == nil {
		t.Error("the hint is not taken")
	}
	align := s.align
	put(capture.Message{Kind: capture.Start, Session: 5, Seq: 3, Format: f})
	if audio(4, 9) != nil || s.align != align {
		t.Error("a former session, or a hint, changes something")
	}
	if b, err := s.take(message{[]byte("nonsense"), 1}); b != nil || err != nil {
		t.Error("nonsense")
	}
	if b := put(capture.Message{Kind: capture.Audio, Session: 5, Seq: 4, TimestampUS: 80_000, Data: []byte{1}}); b != nil {
		t.Error("half a frame")
	}
	put(capture.Message{Kind: capture.End, Session: 5, Seq: 5})
	if audio(5, 6) != nil {
		t.Error("audio after the end")
	}
}

// A source whose timestamps are nonsense is heard as it arrives.
func TestImpossibleTimestamps(t *testing.T) {
	s := &stream{}
	put := func(m capture.Message, at int64) *block {
		b, err := s.take(message{capture.Append(nil, &m), at})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	put(capture.Message{Kind: capture.Start, Session: 1, Seq: 1, Format: capture.Format{Codec: "pcm", Channels: 1, BitDepth: 16, SampleRate: 8000}}, 0)
	for i := range int64(20) {
		at := 1_000_000_000 + i*20_000
		b := put(capture.Message{Kind: capture.Audio, Session: 1, Seq: uint64(i + 2), TimestampUS: 1 << 60, Data: make([]byte, 320)}, at)
		if b == nil || b.CaptureUS > at || b.CaptureUS < at-100_000 {
			t.Fatalf("%+v arrived at %d", b, at)
		}
	}
}

// A source whose gateway died over a question is asked again as soon as it is connected anew,
// and not when the question has run out or the next one is due.
func TestASourceThatComesBackIsAskedAtOnce(t *testing.T) {
	asked, ended := make(chan bool, 16), make(chan error, 1)
	var follow func(sessionID string)
	var answers atomic.Bool
	hub := NewHub(context.Background(), Deps{InstanceID: "one", House: &house{now: 1}, Clock: clockwork.NewFakeClock(), Log: slog.New(slog.DiscardHandler),
		Subscribe: func(string, func([]byte)) (func(), error) { return func() {}, nil },
		Follow: func(_ string, h func(string)) func() {
			h("1")
			follow = h
			return func() {}
		},
		Send: func(ctx context.Context, _ string, c *tuttiv1.SessionCommand) error {
			asked <- c.GetSource().GetStart()
			if answers.Load() {
				return nil
			}
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		},
	})
	defer hub.Stop()
	opening, cancel := context.WithCancel(t.Context())
	opened := make(chan struct{})
	go func() { defer close(opened); _, _ = hub.Open(opening, "c", "Needle") }()
	defer func() { cancel(); <-opened }()
	<-asked
	answers.Store(true)
	follow("") // it is gone; nobody answers yet
	follow("2")
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the question to the session that is gone ended with %v", err)
	}
	<-asked // the clock stands still
	follow("2")
	follow("3")
	<-asked
	if len(asked) > 0 {
		t.Error("the same session was asked twice")
	}
}
