// Package group is the actor of one group: its queue and transport, the pipeline that
// makes its audio, and what each member's session is told.
//
// The actor's goroutine never waits for the bus, a disk or a session. What can take time
// has its own goroutine and reports back by message: the pipeline, one courier per
// member, and the keeper of the record. Everything a member should know is computed
// anew after each message and handed to its courier (type want), so a member that comes
// late, reconnects, or missed something is not a special case.
//
// Loss of the lease, or the end of the process, ends the actor without a word to the
// sessions: the next holder carries on from the record and the tapes.
package group

import (
	"context"
	"log/slog"
	"sync"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/loud"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// House tells the house clock.
type House interface{ NowMicros() int64 }

// Deps are what every group of an instance shares.
type Deps struct {
	InstanceID string
	ChunkMS    int
	AheadMS    int
	MarginUS   int64 // our own pipeline's share of the lead at a start
	MaxGroups  int   // of the instance; 0: no limit
	Resume     bool  // a group that played when it was lost plays on by itself

	Hub     *presence.Hub
	Store   Store
	House   House
	Clock   clockwork.Clock
	Log     *slog.Logger
	Metrics *Metrics
	Actors  *actor.Metrics // of all groups of the instance together; nil: nobody reads them
	Audio   *pipeline.Metrics
	Loud    *loud.Meter
	// Clip reads what is to be announced, as a whole.
	Clip func(ctx context.Context, a *tuttiv1.Announce) (*pipeline.Clip, error)
	Open func(ctx context.Context, uri string) (source.Source, error)
	// OpenSource opens what a client captures, heard by this instance. name is its own.
	OpenSource func(ctx context.Context, clientID, name string) (source.Source, error)
	Look       Look // nil: titles have no pictures
	Send       func(ctx context.Context, clientID string, c *tuttiv1.SessionCommand) error
	// Call has a client dialled for playback that is away; nil: nobody is.
	Call func(ctx context.Context, clientID string) error
	// Stream asks a session how its stream does; nil without an error: it has none.
	Stream func(ctx context.Context, clientID string) (*tuttiv1.StreamStatus, error)
	// Publish writes a chunk to a tape; LastChunk reads the newest one, fault.NotFound
	// when there is none.
	Publish   func(ctx context.Context, groupID, renditionID string, data []byte) (Receipt, error)
	LastChunk func(ctx context.Context, groupID, renditionID string) ([]byte, error)
}

// Message is what the actor takes.
type Message interface{ message() }

// Tenure is the lease under which a group is held, as the group sees it.
type Tenure interface {
	Fence() uint64
	// Valid reports whether the lease is believed in at this moment.
	Valid() bool
}

// Command is a GroupCommand with what was looked up for it. Reply must have room for
// the one answer.
type Command struct {
	Cmd   *tuttiv1.GroupCommand
	Items []playback.Item // of play with a uri, and of enqueue
	Trace string          // id of the request that it came with, for the logs of all services
	Reply chan<- Reply
}

// Reply answers a Command.
type Reply struct {
	Group *tuttiv1.Group
	Err   error
}

type (
	presenceChanged struct{ clientID string }
	fromPipeline    struct {
		epoch uint64
		event pipeline.Event
	}
	wake struct{ gen int }            // the armed timer
	gone struct{ reply chan<- Reply } // all members of a deleted group were told
)

func (Command) message()         {}
func (presenceChanged) message() {}
func (fromPipeline) message()    {}
func (wake) message()            {}
func (gone) message()            {}

// Group is the actor's state; it belongs to the actor's goroutine.
type Group struct {
	Deps
	id    string
	fence uint64
	held  Tenure
	mood  *mood // for the registry
	self  *actor.Ref[Message]
	ready func()
	log   *slog.Logger

	ctx    context.Context // of this life
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines of this life

	// trace is the id of the order that the message at hand carries out; "": nobody's.
	trace string

	rec     *tuttiv1.Group // name, solo, members, previous_group_id
	deleted bool
	// abandoned: this life ended before it had read the tapes of the one before.
	abandoned bool
	s         playback.State
	epoch     uint64 // the highest ever used
	run       *run
	stream    *stream
	playing   bool // counted in the metrics
	// resuming: it played when the last holder was lost, and plays on as soon as a
	// member can hear it.
	resuming bool

	history history
	ann     announcing

	members  map[string]*member
	orders   uint64 // sequence of player commands
	calledUS int64  // when members that are away were called last; 0: never
	ahead    sendAhead
	// leadAgainUS is when the send-ahead may change although nothing happens; 0: never.
	leadAgainUS int64
	// later is when a member whose rendition changed a moment ago is looked at again.
	later  map[string]int64
	hopeUS int64  // when the last volume that was asked for counts no more
	shared shared // what all members are told
	art    gallery
	dirty  map[string]bool
	// revisual: what visualizers want may have changed.
	revisual bool

	keeper  *keeper
	answers []owed // to commands, once the record is written
	touched bool   // the record must be written
	keptUS  int64  // when it was handed to the keeper
	gen     int    // of the armed timer
	disarm  func()
}

// New returns what makes the actor's handler. ready is called after every successful
// start of a life.
func New(d Deps, id string, held Tenure, m *mood, ready func()) func(self *actor.Ref[Message]) actor.Handler[Message] {
	return func(self *actor.Ref[Message]) actor.Handler[Message] {
		return &Group{Deps: d, id: id, fence: held.Fence(), held: held, mood: m, self: self, ready: ready, log: d.Log.With(obs.KeyGroup, id),
			members: map[string]*member{}, dirty: map[string]bool{}, later: map[string]int64{}, disarm: func() {}}
	}
}

// Handle works on one message.
func (g *Group) Handle(ctx context.Context, m Message) error {
	g.trace = g.cause(m)
	switch m := m.(type) {
	case Command:
		g.command(m)
	case presenceChanged:
		if !g.presence(m.clientID) {
			return nil
		}
	case fromPipeline:
		if r := g.run; r != nil && r.epoch == m.epoch {
			g.report(m.event)
			if _, ok := m.event.(pipeline.Started); ok {
				g.clipStarts(r)
			}
		}
	case artFound:
		g.found(m)
	case clipRead:
		g.clipRead(m)
	case spoken:
		g.spoken(m)
	case wake:
		if m.gen != g.gen {
			return nil
		}
	case gone:
		err := g.Store.Delete(ctx, g.id)
		m.reply <- Reply{Group: g.record(g.House.NowMicros()), Err: err}
		if err == nil {
			g.log.Info("group deleted")
			return actor.ErrStop
		}
		g.deleted = false
	}
	g.settle()
	return nil
}

// cause is the trace id of the order that a message goes back to, "" when there is none.
// What an order has begun is its doing until it is heard: the next title, or a player
// that comes later, is not.
func (g *Group) cause(m Message) string {
	switch m := m.(type) {
	case Command:
		if m.Cmd.GetGet() != nil {
			return "" // a question: whatever the members are told now, it did not ask for
		}
		return m.Trace
	case clipRead:
		if j := g.ann.now; j != nil && j.id == m.id {
			return j.trace
		}
	case fromPipeline, wake:
		if r := g.run; r != nil && !r.heard {
			return r.trace
		}
	}
	return ""
}

// settle brings everything in line with the state after a message.
func (g *Group) settle() {
	if g.deleted {
		return
	}
	now := g.House.NowMicros()
	g.hear(now)
	g.hearClip(now)
	g.lookLater(now)
	g.lateVolume()
	g.followLead(now)
	g.shareOut(now)
	g.keep(now)
	g.arm(now)
	g.tellMood()
}

// tellMood says what it would cost to move the group.
func (g *Group) tellMood() {
	m := Idle
	switch {
	case g.run != nil && (g.run.live || g.run.capture || g.run.clip != nil || g.run.alone):
		m = Live // what is announced was read by this instance alone
	case g.run != nil:
		m = Buffered
	}
	g.mood.Store(int32(m))
}

// env is the moment as the playback machine needs it.
func (g *Group) env() playback.Env {
	return playback.Env{AudibleMS: g.positionMS(g.House.NowMicros()), Perm: perm}
}

// apply gives the playback machine a message and carries out its effects.
func (g *Group) apply(m playback.Message) error {
	before := g.s.Mode
	next, effects, err := playback.Handle(g.s, g.env(), m)
	if err != nil {
		return err
	}
	g.s, g.touched = next, true
	g.measure()
	g.resuming = g.resuming && next.Mode == playback.Paused
	handed := false
	for _, e := range effects {
		switch e := e.(type) {
		case playback.Begin:
			g.begin(e)
		case playback.Halt:
			if !g.clipAlone() { // what is announced goes on, in the same stream
				g.halt()
			}
		case playback.Hand:
			handed = g.hand(e.Item)
		}
	}
	if _, asked := m.(playback.NeedNext); asked && !handed && g.run != nil {
		g.run.p.None()
	}
	if before != g.s.Mode {
		g.traced().Info("playback", obs.KeyState, modeName(g.s.Mode), "position_ms", g.s.PositionMS, "fence", g.fence)
	}
	return nil
}

// traced is the log with the trace id of the order that is being carried out.
func (g *Group) traced() *slog.Logger {
	if g.trace == "" {
		return g.log
	}
	return g.log.With(obs.KeyTrace, g.trace)
}

func modeName(m playback.Mode) string {
	switch m {
	case playback.Playing:
		return "playing"
	case playback.Paused:
		return "paused"
	}
	return "stopped"
}
