package stream

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/audio/synth"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// TestMain lets more tests run at once than a small machine has processors: they play in
// real time, and wait more than they work. Those that want of a tape that it has no hole,
// or of a lease that it lasts, are not parallel: they have the machine for themselves.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "3") // the command line is read later, and wins
	goleak.VerifyTestMain(m)
}

// monotonic is a house clock without a leader: one process, one kernel.
type monotonic struct{}

func (monotonic) NowMicros() int64      { return houseclock.MonotonicMicros() }
func (monotonic) Info() houseclock.Info { return houseclock.Info{Leader: "test", Role: "test"} }

// patience is how long a test waits for what must come: of a test that passes it is seen
// nothing, and a busy machine may keep one from the processor for seconds.
const patience = time.Minute

// margin is our own part of the lead, ms: a machine that stalls for less than that leaves
// no hole on a tape. What a test says of the lead it says in terms of it.
const margin = 2500

// rig is a bus with a music folder, and what stands in for gateways.
type rig struct {
	t        *testing.T
	bus      *bus.Conn
	music    string
	presence *bus.Bucket[tuttiv1.ClientPresence, *tuttiv1.ClientPresence]
	groups   *groupBucket
	tapes    *tapes
	// ttl of the leases. Long, because a busy machine must not make a group move where
	// a test does not expect it.
	ttl time.Duration
	// daytime is the time of day; nil: the real one.
	daytime clockwork.Clock
	// registerer of the services' metrics; nil: none.
	registerer prometheus.Registerer
	services   map[string]*Service // by instance id
}

func newRig(t *testing.T, c *bus.Conn) *rig {
	t.Helper()
	r := &rig{t: t, bus: c, music: t.TempDir(), ttl: 15 * time.Second}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if r.presence, err = bus.OpenBucket[tuttiv1.ClientPresence](ctx, c, subject.BucketPresence, bus.BucketOptions{History: 1}); err != nil {
		t.Fatal(err)
	}
	if r.groups, err = bus.OpenBucket[tuttiv1.Group](ctx, c, subject.BucketGroups, bus.BucketOptions{History: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.EnsureStream(ctx, bus.StreamConfig{Name: subject.StreamTape, Subjects: []string{subject.TapeAll}, Memory: true,
		MaxAge: 90 * time.Second, MaxBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	r.tapes = record(t, c)
	return r
}

// embedded is a rig with one service on an embedded bus.
func embedded(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := newEmbeddedRig(t)
	r.service(r.bus, "one", change...)
	return r
}

// newEmbeddedRig is a rig on an embedded bus without a service yet.
func newEmbeddedRig(t *testing.T) *rig { t.Helper(); return newRig(t, bustest.Embedded(t)) }

// service runs an instance until the end of the test, or until stop.
func (r *rig) service(c *bus.Conn, id string, change ...func(*Config)) (stop func()) {
	r.t.Helper()
	lm, err := lease.NewManager(c, id, lease.Options{TTL: r.ttl})
	if err != nil {
		r.t.Fatal(err)
	}
	cfg := Config{InstanceID: id, MusicDir: r.music, ResumePlayback: true, MarginMS: margin}
	for _, f := range change {
		f(&cfg)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("test", r.t.Name(), "instance", id)
	}
	s, err := New(cfg, Deps{Bus: c, Leases: lm, House: monotonic{}, Log: log, Wall: r.daytime, Registerer: r.registerer})
	if err != nil {
		r.t.Fatal(err)
	}
	if r.services == nil {
		r.services = map[string]*Service{}
	}
	r.services[id] = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			r.t.Errorf("Run did not return within %s", patience)
		}
	})
	r.t.Cleanup(stop)
	until(r.t, func() string {
		if err := s.Ready(); err != nil {
			return err.Error()
		}
		return ""
	})
	return stop
}

// until polls for a fact; it fails with the last reason why it does not hold.
func until(t *testing.T, what func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		reason := what()
		if reason == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("gave up: " + reason)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// files keeps what file has generated, func() ([]byte, error) each: synthesis is the
// dearest part of these tests.
var files sync.Map

// file writes seconds of music and returns its samples.
func (r *rig) file(name string, seconds float64, seed int64) []int32 {
	r.t.Helper()
	generate := synth.GenerateFLAC
	if filepath.Ext(name) == ".wav" {
		generate = synth.GenerateWAV
	}
	key := fmt.Sprint(filepath.Ext(name), seconds, seed)
	make, _ := files.LoadOrStore(key, sync.OnceValues(func() ([]byte, error) {
		var b bytes.Buffer
		err := generate(&b, seconds, seed)
		return b.Bytes(), err
	}))
	data, err := make.(func() ([]byte, error))()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.music, name), data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return r.samples(name)
}

// samples reads a file through package source, which has its own tests.
func (r *rig) samples(name string) (out []int32) {
	r.t.Helper()
	src, err := source.Open(context.Background(), name, source.Options{MusicDir: r.music})
	if err != nil {
		r.t.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // read only
	buf := make([]int32, 8192*src.Info().Channels)
	for {
		n, err := src.Read(buf)
		out = append(out, buf[:n*src.Info().Channels]...)
		if err != nil {
			return out
		}
	}
}

// tapes hears all tapes, as gateways do.
type tapes struct {
	mu     sync.Mutex
	chunks map[string][]tape.Chunk // by subject, in order
	came   map[string]int64        // house time at which the first chunk of a subject came
}

func record(t *testing.T, c *bus.Conn) *tapes {
	t.Helper()
	x := &tapes{chunks: map[string][]tape.Chunk{}, came: map[string]int64{}}
	stop, err := c.Consume(context.Background(), subject.StreamTape, bus.ConsumeOptions{Subject: subject.TapeAll, FromAll: true}, func(m bus.RawMsg) {
		k, err := tape.Parse(m.Data)
		if err != nil {
			t.Errorf("tape: %v", err)
		}
		k.Data = slices.Clone(k.Data)
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.came[m.Subject] == 0 {
			x.came[m.Subject] = houseclock.MonotonicMicros()
		}
		x.chunks[m.Subject] = append(x.chunks[m.Subject], k)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return x
}

// begun is when the first chunk of a tape came, on the house clock.
func (x *tapes) begun(group, rend string) int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.came[subject.Tape(group, rend)]
}

// of returns one epoch of a tape.
func (x *tapes) of(group, rend string, epoch uint64) (out []tape.Chunk) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.chunks[subject.Tape(group, rend)] {
		if c.Epoch == epoch {
			out = append(out, c)
		}
	}
	return out
}

// device stands in for a client's session on a gateway: it answers its address, keeps
// what it was told, and follows the gateway's rules for streams.
type device struct {
	r  *rig
	id string

	mu       sync.Mutex
	p        *tuttiv1.ClientPresence
	commands []*tuttiv1.SessionCommand
	at       []int64 // when each command came
	stream   *tuttiv1.StreamStart
	group    *tuttiv1.GroupInfo
	meta     *tuttiv1.MetadataState // what it shows
	coming   *tuttiv1.MetadataState // what it will show at its time
	control  *tuttiv1.ControllerState
	ending   *tuttiv1.StreamStart // it was told when this one ends
	deaf     bool                 // it says that it was sent nothing
	hang     chan struct{}        // when set, commands are not answered until it is closed
	stop     func()
}

func fmtOf(s string) *tuttiv1.AudioFormat {
	f, err := pcm.ParseFormat(s)
	if err != nil {
		panic(err)
	}
	return rendition.Proto(f)
}

// device connects a client that plays formats, in order of priority.
func (r *rig) device(name string, formats ...string) *device {
	r.t.Helper()
	d := &device{r: r, id: (name + "-0123456789012345678901234567890123456789012")[:43]}
	p := &tuttiv1.ClientPresence{ClientId: d.id, Name: name, SessionId: "1", Connected: true, Stage: "ready",
		ActiveRoles: []string{"player@v1", "metadata@v1", "controller@v1"}, Available: proto.Bool(true), PlayerSupport: &tuttiv1.PlayerSupport{BufferCapacity: 1 << 20},
		Player: &tuttiv1.PlayerState{Volume: proto.Int32(50), Muted: proto.Bool(false), MinBufferMs: 100, SupportedCommands: []string{"volume", "mute"}}}
	for _, f := range formats {
		p.PlayerSupport.SupportedFormats = append(p.PlayerSupport.SupportedFormats, fmtOf(f))
	}
	d.p = p
	d.serve()
	d.publish()
	return d
}

// serve answers at the session's address until the test ends or disconnect.
func (d *device) serve() {
	d.r.t.Helper()
	stop, err := bus.HandleExclusive(d.r.bus, subject.Session(d.id), func(ctx context.Context, c *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error) {
		d.mu.Lock()
		hang := d.hang
		d.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return d.take(c)
	})
	if err != nil {
		d.r.t.Fatal(err)
	}
	d.stop = stop
	d.r.t.Cleanup(stop)
}

// take follows the rules of the gateway's session.
func (d *device) take(c *tuttiv1.SessionCommand) (*tuttiv1.SessionReply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	refuse := func(why string) (*tuttiv1.SessionReply, error) {
		return nil, fault.New(fault.Conflict, "%s", why)
	}
	if id := c.GetSessionId(); id != d.p.GetSessionId() && id != "" {
		return refuse("another session")
	}
	switch k := c.GetCommand().(type) {
	case *tuttiv1.SessionCommand_Group:
		d.group = k.Group
	case *tuttiv1.SessionCommand_State:
		if m := k.State.GetMetadata(); m != nil {
			d.advance()
			if m.GetTimestampUs() > houseclock.MonotonicMicros() {
				d.coming = m
			} else {
				d.meta, d.coming = m, nil
			}
		}
		if k.State.GetController() != nil {
			d.control = k.State.GetController()
		}
	case *tuttiv1.SessionCommand_StreamStart:
		if d.group.GetGroupId() != c.GetGroupId() || !d.p.GetAvailable() {
			return refuse("not now")
		}
		d.stream = k.StreamStart
	case *tuttiv1.SessionCommand_StreamClear:
		if d.stream == nil {
			return refuse("no stream")
		}
		d.stream = proto.CloneOf(d.stream)
		d.stream.Epoch, d.stream.NotBeforeUs = k.StreamClear.GetEpoch(), k.StreamClear.GetNotBeforeUs()
	case *tuttiv1.SessionCommand_StreamQuery:
		return &tuttiv1.SessionReply{SessionId: d.p.GetSessionId(), Stream: d.status()}, nil
	case *tuttiv1.SessionCommand_StreamEnd:
		if d.stream == nil {
			return refuse("no stream")
		}
		d.stream, d.ending = nil, d.stream
	}
	d.commands = append(d.commands, c)
	d.at = append(d.at, houseclock.MonotonicMicros())
	return &tuttiv1.SessionReply{SessionId: d.p.GetSessionId()}, nil
}

// status says that all of the tape was sent, as to a player with a large buffer. A
// stream that was told when it ends is there until then.
func (d *device) status() *tuttiv1.StreamStatus {
	stream := d.stream
	if stream == nil {
		stream = d.ending
	}
	if stream == nil || d.deaf {
		return nil
	}
	s := &tuttiv1.StreamStatus{GroupId: d.group.GetGroupId(), RenditionId: stream.GetRenditionId(), Epoch: stream.GetEpoch()}
	for _, c := range d.r.tapes.of(s.GetGroupId(), s.GetRenditionId(), s.GetEpoch()) {
		s.SentUntilUs, s.ChunksSent = c.TimestampUS+int64(c.DurationUS), s.GetChunksSent()+1
	}
	return s
}

// advance shows a scheduled update whose time has come.
func (d *device) advance() {
	if d.coming != nil && d.coming.GetTimestampUs() <= houseclock.MonotonicMicros() {
		d.meta, d.coming = d.coming, nil
	}
}

// publish writes the presence, as a gateway does after each change.
func (d *device) publish() {
	d.r.t.Helper()
	d.mu.Lock()
	p := proto.CloneOf(d.p)
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := d.r.presence.Put(ctx, d.id, p); err != nil {
		d.r.t.Fatal(err)
	}
}

// change alters what the client reports.
func (d *device) change(f func(p *tuttiv1.ClientPresence)) {
	d.r.t.Helper()
	d.mu.Lock()
	f(d.p)
	d.mu.Unlock()
	d.publish()
}

// disconnect ends the session without a word.
func (d *device) disconnect() {
	d.stop()
	d.change(func(p *tuttiv1.ClientPresence) { p.Connected = false })
}

// reconnect begins another session.
func (d *device) reconnect(session string) {
	d.mu.Lock()
	d.stream, d.group, d.meta, d.coming, d.control, d.commands, d.at = nil, nil, nil, nil, nil, nil, nil
	d.mu.Unlock()
	d.change(func(p *tuttiv1.ClientPresence) { p.SessionId, p.Connected = session, true })
	d.serve()
}

// kinds lists the commands that came, in short: g, s (state), start, clear, end, v, m.
func (d *device) kinds() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commands {
		switch k := c.GetCommand().(type) {
		case *tuttiv1.SessionCommand_Group:
			out = append(out, "group:"+k.Group.GetPlaybackState())
		case *tuttiv1.SessionCommand_StreamStart:
			out = append(out, "start:"+k.StreamStart.GetRenditionId())
		case *tuttiv1.SessionCommand_StreamClear:
			out = append(out, "clear")
		case *tuttiv1.SessionCommand_StreamEnd:
			out = append(out, "end")
		case *tuttiv1.SessionCommand_Player:
			out = append(out, "player")
		}
	}
	return out
}

// told waits until the session was told exactly this.
func (d *device) told(want ...string) {
	d.r.t.Helper()
	until(d.r.t, func() string {
		if got := d.kinds(); !slices.Equal(got, want) {
			return fmt.Sprintf("the session was told\n %v, want\n %v", got, want)
		}
		return ""
	})
}

func (d *device) now() (stream *tuttiv1.StreamStart, group *tuttiv1.GroupInfo, meta *tuttiv1.MetadataState, control *tuttiv1.ControllerState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance()
	return d.stream, d.group, d.meta, d.control
}

// playing waits for a stream of an epoch other than `not`.
func (d *device) playing(not uint64) *tuttiv1.StreamStart {
	d.r.t.Helper()
	var s *tuttiv1.StreamStart
	until(d.r.t, func() string {
		if s, _, _, _ = d.now(); s == nil || s.GetEpoch() == not {
			return fmt.Sprintf("%s has no (new) stream; it was told %v", d.id, d.kinds())
		}
		return ""
	})
	return s
}

// silent waits for the end of the stream.
func (d *device) silent() {
	d.r.t.Helper()
	until(d.r.t, func() string {
		if s, _, _, _ := d.now(); s != nil {
			return d.id + " still has a stream"
		}
		return ""
	})
}

// hears decodes what the tape of the device's stream holds and checks that the chunks
// follow each other to the sample. It returns the samples, and where they begin.
func (r *rig) hears(group string, s *tuttiv1.StreamStart) (samples []int32, from int64) {
	r.t.Helper()
	f := rendition.FromProto(s.GetFormat())
	dec, err := decode.New(f, s.GetCodecHeader())
	if err != nil {
		r.t.Fatal(err)
	}
	chunks := r.tapes.of(group, s.GetRenditionId(), s.GetEpoch())
	if len(chunks) == 0 {
		return nil, 0
	}
	t0 := s.GetNotBeforeUs()
	first := timeline.FrameAt(t0, chunks[0].TimestampUS, f.SampleRate)
	next := first
	for i, c := range chunks {
		if want := timeline.FrameTime(t0, next, f.SampleRate); c.TimestampUS != want {
			r.t.Fatalf("%s chunk %d: timestamp %d, want %d", s.GetRenditionId(), i, c.TimestampUS, want)
		}
		if c.DurationUS > 150_000 {
			r.t.Fatalf("chunk of %d µs", c.DurationUS)
		}
		if samples, err = dec.Decode(samples, c.Data); err != nil {
			r.t.Fatal(err)
		}
		next += int64(c.Frames)
	}
	return samples, first
}

// groupOf waits until the client is in a group and returns its id.
func (r *rig) groupOf(d *device) string {
	r.t.Helper()
	var id string
	until(r.t, func() string {
		_, g, _, _ := d.now()
		if g == nil {
			return d.id + " was told of no group"
		}
		id = g.GetGroupId()
		return ""
	})
	return id
}

// ask is a request that must succeed.
func ask[Resp any, PResp interface {
	*Resp
	proto.Message
}](r *rig, subj string, req proto.Message) PResp {
	r.t.Helper()
	resp := PResp(new(Resp))
	if err := try(r, subj, req, resp); err != nil {
		r.t.Fatalf("%s: %v", subj, err)
	}
	return resp
}

// try asks until there is an answer: the director may be on its way, and a machine that
// stands still for seconds misses the time that a group has for one. A command that comes
// twice is carried out once, by its id.
func try(r *rig, subj string, req, resp proto.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := false
	switch c := proto.Clone(req).(type) {
	case *tuttiv1.GroupCommand:
		c.CommandId = cmp.Or(c.GetCommandId(), bus.NewTraceID())
		req, again = c, true
	case *tuttiv1.ClientCommand:
		c.CommandId = cmp.Or(c.GetCommandId(), bus.NewTraceID())
		req, again = c, true
	}
	for {
		err := r.bus.Request(ctx, subj, req, resp)
		code := fault.CodeOf(err)
		if code != fault.Unavailable && !(again && code == fault.Timeout) || ctx.Err() != nil {
			return err
		}
	}
}

// make creates a named group, and returns when its members were told of it: what a group
// says next takes the place of what it has not told yet.
func (r *rig) make(name string, members ...*device) string {
	r.t.Helper()
	req := &tuttiv1.CreateGroupRequest{Name: name}
	for _, d := range members {
		req.Members = append(req.Members, d.id)
		r.groupOf(d) // it must be known
	}
	id := ask[tuttiv1.GroupReply](r, subject.StreamCreateGroup, req).GetGroup().GetGroupId()
	for _, d := range members {
		d.in(id, "stopped")
	}
	return id
}

// command sends a command that must succeed.
func (r *rig) command(c *tuttiv1.GroupCommand) *tuttiv1.Group {
	r.t.Helper()
	return ask[tuttiv1.GroupReply](r, subject.StreamCommand, c).GetGroup()
}

func play(group, uri string) *tuttiv1.GroupCommand {
	return &tuttiv1.GroupCommand{GroupId: group, Command: &tuttiv1.GroupCommand_Play{Play: &tuttiv1.Play{Uri: uri}}}
}

func (r *rig) get(group string) *tuttiv1.Group {
	r.t.Helper()
	return r.command(&tuttiv1.GroupCommand{GroupId: group, Command: &tuttiv1.GroupCommand_Get{Get: &tuttiv1.Empty{}}})
}

// code is the fault's code of a command that must fail.
func (r *rig) code(c *tuttiv1.GroupCommand) fault.Code {
	r.t.Helper()
	return fault.CodeOf(try(r, subject.StreamCommand, c, &tuttiv1.GroupReply{}))
}
