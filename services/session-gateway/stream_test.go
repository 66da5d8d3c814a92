package gateway

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// ready joins a device and waits until its state is known.
func (r *rig) ready(opts ...deviceOption) *device {
	r.t.Helper()
	d := newDevice(r, opts...).join(r)
	r.waitPlayer(d)
	return d
}

func (r *rig) waitPlayer(d *device) {
	r.t.Helper()
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if !p.GetConnected() || p.GetPlayer() == nil {
			return "player state: " + p.String()
		}
		return ""
	})
}

// told tells a device what it is owed after its first activation, as the stream service does. A
// session whose device nobody has told for a second does it by itself; behind this it says
// nothing more of its own accord, however much time passes.
func (r *rig) told(d *device) {
	r.t.Helper()
	r.mustCommand(d.id(), groupCmd("told", wire.PlaybackStopped))
	r.mustCommand(d.id(), &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
		Metadata:   &tuttiv1.MetadataState{TimestampUs: r.house.NowMicros(), Title: ptr("told")},
		Controller: &tuttiv1.ControllerState{SupportedCommands: []string{wire.ControlPlay}, Repeat: wire.RepeatOff},
	}}})
	d.waitFor("what the device is told last", func(m wire.Message) bool {
		s, ok := m.(*wire.ServerState)
		return ok && s.Controller != nil && slices.Contains(s.Controller.SupportedCommands, wire.ControlPlay)
	})
}

func TestStreamFromStartToEnd(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	if a, ok := d.messages()[0].(*wire.ServerActivate); !ok || len(a.Activities) != 0 {
		t.Errorf("the first message is %+v", d.messages()[0])
	}
	r.told(d)
	before := len(d.messages())
	begin := r.soon()
	rec := r.recorder("g1", "pcm-8", 1, begin)
	rec.write(30)
	r.mustCommand(d.id(), groupCmd("g1", "playing"))
	r.mustCommand(d.id(), startCmd("g1", "pcm-8", 1, begin))
	chunks := d.waitChunks(30)
	if chunks[0].ts != begin {
		t.Errorf("first chunk at %d, want the group's start %d", chunks[0].ts, begin)
	}
	for i, c := range chunks {
		if c.data[0] != byte(i) || len(c.data) != chunkLen {
			t.Fatalf("chunk %d: wrong audio", i)
		}
	}
	// Paced: the lead goes out at once, the rest at ten times real time at most.
	span := chunks[29].sent() - chunks[0].sent()
	if least := int64((29*chunkUS - 300_000 - chunkUS) / 10); span < least {
		t.Errorf("30 chunks were sent in %d µs, want at least %d", span, least)
	}
	r.mustCommand(d.id(), endCmd("g1", 0))
	d.waitFor("stream/end", func(m wire.Message) bool { return m.Type() == wire.TypeStreamEnd })
	waitType[*wire.ServerActivate](d, 3) // the first one, with playback, and without it
	var order []string
	for _, m := range d.messages()[before:] {
		switch m := m.(type) {
		case *wire.ServerActivate:
			order = append(order, fmt.Sprint(m.Activities))
		default:
			order = append(order, m.Type())
		}
	}
	want := []string{"group/update", "[playback]", "stream/start", "stream/end", "[]"}
	if !slices.Equal(order, want) {
		t.Errorf("messages %v, want %v", order, want)
	}
	d.clean()
}

func TestCapacityIsNeverExceededAndLateJoinerStartsAtItsLead(t *testing.T) {
	r := newRig(t)
	small := r.ready(func(d *device) { d.hello.Player.BufferCapacity = 8*(chunkLen+wire.AudioHeaderLen) + 7 })
	begin := r.house.NowMicros() + 500_000
	rec := r.recorder("g1", "pcm-8", 1, begin)
	rec.write(200) // the joiner must come while it plays
	r.mustCommand(small.id(), startCmd("g1", "pcm-8", 1, begin))
	small.waitChunks(10) // more than fit at once: time passed

	joiner := r.ready()
	asked := r.house.NowMicros()
	r.mustCommand(joiner.id(), startCmd("g1", "pcm-8", 1, begin))
	chunks := joiner.waitChunks(10)
	if lead := chunks[0].ts - asked; lead < 300_000 {
		t.Errorf("joiner's first chunk is %d µs after the request, want its own lead of 300 ms at least", lead)
	}
	// Little more, counted from when it was sent: nobody knows when a slow machine gets to it.
	if lead := chunks[0].lead; lead > 300_000+2*chunkUS {
		t.Errorf("joiner's first chunk was sent %d µs ahead, want its own lead of 300 ms and little more", lead)
	}
	// The same sample for the same timestamp.
	byTime := map[int64]byte{}
	for _, c := range small.waitChunks(14) {
		byTime[c.ts] = c.data[0]
	}
	for _, c := range chunks {
		if b, ok := byTime[c.ts]; ok && b != c.data[0] {
			t.Errorf("timestamp %d: the players got different audio", c.ts)
		}
	}
	r.waitPresence(small.id(), func(p *tuttiv1.ClientPresence) string {
		if s := p.GetStream(); s.GetChunksSent() == 0 || s.GetBufferedBytes() == 0 || s.GetRenditionId() != "pcm-8" {
			return "stream figures: " + p.String()
		}
		return ""
	})
	small.clean()
	joiner.clean()
}

func TestFormatChangeInPlace(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	begin := r.soon()
	a := r.recorder("g1", "a", 1, begin)
	b := r.recorder("g1", "b", 1, begin)
	a.write(12)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(12)
	change := startCmd("g1", "b", 1, begin)
	change.GetStreamStart().Format.BitDepth = 24
	r.mustCommand(d.id(), change)
	a.write(3)
	b.write(30) // the new tape has the whole timeline; only what follows is sent
	chunks := d.waitChunks(30)
	for i := 1; i < len(chunks); i++ {
		if chunks[i].ts != chunks[i-1].ts+chunkUS {
			t.Fatalf("chunk %d at %d follows %d: a gap or a repetition", i, chunks[i].ts, chunks[i-1].ts)
		}
	}
	if chunks[0].format.BitDepth != 16 || chunks[29].format.BitDepth != 24 {
		t.Errorf("formats %v … %v", chunks[0].format, chunks[29].format)
	}
	d.clean()
}

func TestClearBeginsANewEpoch(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	begin := r.soon()
	rec := r.recorder("g1", "a", 1, begin)
	rec.write(20)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(20)
	// The seek's chunks are on the tape before the command comes.
	again := r.soon()
	seek := r.recorder("g1", "a", 2, again)
	seek.n = 100
	seek.write(10)
	d.settle(r)
	if n := len(d.audioSoFar()); n != 20 {
		t.Fatalf("%d chunks before stream/clear, want 20: a new epoch waits for it", n)
	}
	r.mustCommand(d.id(), clearCmd("g1", 2, again))
	chunks := d.waitChunks(30)
	if chunks[20].ts != again || chunks[20].data[0] != 100 {
		t.Errorf("first chunk after the clear at %d, want %d", chunks[20].ts, again)
	}
	if err := r.command(d.id(), clearCmd("g1", 1, again)); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("clear to an earlier epoch: %v", err)
	}
	d.clean()
}

func TestScheduledEndAndFencing(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	begin := r.shortly()
	rec := r.recorder("g1", "a", 1, begin)
	rec.write(4)
	start := startCmd("g1", "a", 1, begin)
	start.Fence = 9
	r.mustCommand(d.id(), start)
	d.waitChunks(4)
	stale := endCmd("g1", 0)
	stale.Fence = 8
	if err := r.command(d.id(), stale); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("command with an old fence: %v", err)
	}
	end := endCmd("g1", rec.at)
	end.Fence = 9
	r.mustCommand(d.id(), end)
	d.waitFor("stream/end", func(m wire.Message) bool { return m.Type() == wire.TypeStreamEnd })
	if now := r.house.NowMicros(); now < rec.at {
		t.Errorf("stream/end came %d µs before its time", rec.at-now)
	}
	d.clean()
}

func TestCommandsThatTheStateForbids(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	volume := func(v int32) *tuttiv1.SessionCommand {
		return &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{Player: &tuttiv1.PlayerCommand{
			Command: &tuttiv1.PlayerCommand_Volume{Volume: v}}}}
	}
	mute := &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{Player: &tuttiv1.PlayerCommand{
		Command: &tuttiv1.PlayerCommand_Mute{Mute: true}}}}
	other := startCmd("g1", "a", 1, 0)
	other.GetStreamStart().Format.SampleRate = 44100
	wrongSession := proto.Clone(volume(1)).(*tuttiv1.SessionCommand)
	wrongSession.SessionId = "another"
	for name, c := range map[string]struct {
		cmd  *tuttiv1.SessionCommand
		want fault.Code
	}{
		"mute is not among supported_commands": {mute, fault.Conflict},
		"volume out of range":                  {volume(101), fault.OutOfRange},
		"format that is not listed":            {other, fault.Conflict},
		"clear without a stream":               {clearCmd("g1", 1, 0), fault.Conflict},
		"end without a stream":                 {endCmd("g1", 0), fault.Conflict},
		"another session":                      {wrongSession, fault.Conflict},
		"no command":                           {&tuttiv1.SessionCommand{}, fault.Invalid},
	} {
		if err := r.command(d.id(), c.cmd); fault.CodeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	r.mustCommand(d.id(), volume(33))
	m := waitType[*wire.ServerCommand](d, 1)
	if *m.Player.Volume != 33 {
		t.Errorf("volume %d", *m.Player.Volume)
	}
	d.setAvailable(false)
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetAvailable() {
			return "still available"
		}
		return ""
	})
	if err := r.command(d.id(), startCmd("g1", "a", 1, 0)); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("stream to an unavailable client: %v", err)
	}
	d.clean()
}

// TestAQueryKnowsAClipThatWasSentAtOnce: the session is asked right behind the last chunk
// of a short stream, and again when the stream has ended. Both times it knows all of it.
func TestAQueryKnowsAClipThatWasSentAtOnce(t *testing.T) {
	r := newRig(t)
	d := r.ready()
	ask := func() *tuttiv1.StreamStatus {
		t.Helper()
		var reply tuttiv1.SessionReply
		query := &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_StreamQuery{StreamQuery: &tuttiv1.Empty{}}}
		if err := r.bus.Request(t.Context(), subject.Session(d.id()), query, &reply); err != nil {
			t.Fatal(err)
		}
		return reply.GetStream()
	}
	if s := ask(); s != nil {
		t.Errorf("before any stream: %v", s)
	}
	var last uint64
	for i, group := range []string{"g1", "g1", "g2"} { // the second right behind the end of the first
		epoch := uint64(i + 1)
		begin := r.soon()
		rec := r.recorder(group, "a", epoch, begin)
		rec.write(3)
		r.mustCommand(d.id(), groupCmd(group, "playing"))
		r.mustCommand(d.id(), startCmd(group, "a", epoch, begin))
		d.waitChunks(3 * (i + 1))
		whole := func(when string, s *tuttiv1.StreamStatus) {
			t.Helper()
			if s.GetGroupId() != group || s.GetEpoch() != epoch || s.GetSentUntilUs() != rec.at || s.GetChunksSent() != last+3 {
				t.Errorf("%s of clip %d: %v; want 3 chunks up to %d", when, i, s, rec.at)
			}
		}
		whole("behind the last chunk", ask())
		r.mustCommand(d.id(), endCmd(group, 0))
		s := ask()
		whole("after the end", s)
		last = s.GetChunksSent()
	}
	d.clean()
}
