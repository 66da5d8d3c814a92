package client

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	// callDepth is the number of calls that may wait for the core: more than a user
	// interface issues while one write is stuck.
	callDepth = 256
	// writeTimeout bounds a message of the core, so that one stuck server does not
	// stop the others for long.
	writeTimeout = 5 * time.Second
	// saveDelay is how long volume and mute may wait to be stored: a slider must not
	// write the file with every step.
	saveDelay = int64(time.Second / time.Microsecond)
	// never is a deadline that does not come.
	never = int64(math.MaxInt64)
)

// settings are the player's own.
type settings struct {
	volume           int
	muted            bool
	delayMS          int
	leadMS, bufferMS int
	format           *wire.AudioFormat
}

// core is the actor that owns the client's state. Its fields belong to the goroutine
// of loop, or to the holder of Client.mu while nothing runs.
type core struct {
	cfg   *Config
	stats *counters
	codec wire.Codec

	available bool
	unpaired  bool // unpaired access is enabled
	player    settings
	artwork   []wire.ArtworkChannel // what the client asks for
	visual    wire.VisualizerState  // the same
	signal    bool                  // line sensing: there is one
	saveAt    int64                 // when to store the settings, never without a change
	pairing   pairingState
	holder    *session
	successor string     // server that takes the holder's place at this moment
	carried   string     // server whose lost stream may still sound, "" if none
	beside    *session   // admitted for pairing beside a holder that plays
	sessions  []*session // in the order of their arrival, those two among them
	numbered  uint64     // sessions so far
	former    formerTiming
	live      bool // loop runs
	stopping  bool // ctx ended: no new connections

	// in
	calls  chan func(*core)
	inputs chan input
	// out
	done    chan struct{} // loop has ended
	closing chan struct{} // shut was called
	closers sync.WaitGroup
}

// input is what a reader hands over. It waits for the session's ack.
type input struct {
	s       *session
	kind    inputKind
	id      byte
	payload []byte // valid until the ack
	at      int64  // arrival, client's clock
	err     error
}

type inputKind int

const (
	inOpened inputKind = iota
	inMessage
	inClosed
)

func newCore(cfg *Config, stats *counters) *core {
	k := &core{cfg: cfg, stats: stats, codec: wire.Current(), available: true, unpaired: cfg.UnpairedAccess, saveAt: never}
	k.pairing, k.artwork = newPairingState(cfg), cfg.Artwork
	k.visual = copyVisual(*cfg.Visualizer)
	stored := cfg.Store.player()
	k.player = settings{volume: 100, leadMS: cfg.RequiredLeadMS, bufferMS: cfg.MinBufferMS, delayMS: stored.OutputDelayMS}
	for _, v := range []*int{cfg.Volume, stored.Volume} {
		if v != nil {
			k.player.volume = min(max(*v, 0), 100)
		}
	}
	for _, v := range []*bool{cfg.Muted, stored.Muted} {
		if v != nil {
			k.player.muted = *v
		}
	}
	k.player.delayMS = min(max(k.player.delayMS, 0), wire.MaxOutputDelayMS)
	stats.minLead.Store(math.MaxInt64)
	k.calls = make(chan func(*core), callDepth)
	return k
}

// start prepares for loop.
func (k *core) start() {
	k.inputs = make(chan input)
	k.done, k.closing = make(chan struct{}), make(chan struct{})
	k.live, k.stopping = true, false
}

// shut ends loop. All readers have returned.
func (k *core) shut() { close(k.closing) }

// drain carries out what was called while loop ended.
func (k *core) drain() {
	k.live = false
	k.carryOut()
}

// carryOut does what was called so far.
func (k *core) carryOut() {
	for {
		select {
		case f := <-k.calls:
			f(k)
		default:
			return
		}
	}
}

// loop is the core's goroutine. When ctx ends it says goodbye to all servers, and
// goes on serving the readers until shut.
func (k *core) loop(ctx context.Context) {
	defer close(k.done)
	timer := k.cfg.Clock.NewTimer(time.Hour)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		k.setTimer(timer)
		select {
		case in := <-k.inputs:
			k.carryOut() // a call that returned holds for every message that comes after it
			in.s.handle(in)
			in.s.ack <- struct{}{}
		case f := <-k.calls:
			f(k)
		case <-timer.Chan():
			k.tick(k.cfg.Now())
		case <-stop:
			stop, k.stopping = nil, true
			k.goodbye(wire.GoodbyeShutdown)
		case <-k.closing:
			k.save()
			k.closers.Wait()
			return
		}
	}
}

// timerer is the part of a clockwork timer that setTimer needs.
type timerer interface{ Reset(time.Duration) bool }

// setTimer arms the timer for the next deadline.
func (k *core) setTimer(timer timerer) {
	next := min(k.saveAt, k.pairingDeadline())
	for _, s := range k.sessions {
		next = min(next, s.deadline())
	}
	wait := time.Hour
	if next != never {
		// At least a millisecond: Now may run behind Clock.
		us := max(next-k.cfg.Now(), 1000)
		wait = time.Duration(min(us, int64(time.Hour/time.Microsecond))) * time.Microsecond
	}
	timer.Reset(wait)
}

// tick does what is due.
func (k *core) tick(now int64) {
	for _, s := range slices.Clone(k.sessions) {
		s.tick(now)
	}
	if now >= k.saveAt {
		k.save()
	}
	k.settlePairing()
}

// emit tells an event.
func (k *core) emit(e Event) {
	if k.live {
		k.cfg.OnEvent(e)
	}
}

// serve runs a connection on the caller's goroutine, its reader. arbitrate is for one
// that a server opened, which has to win the client's one place.
func (k *core) serve(ctx context.Context, t channel.Transport, arbitrate bool) outcome {
	h := &handshakes{store: k.cfg.Store, successors: k.cfg.AcceptSuccessors}
	conn, err := channel.OpenClient(ctx, t, channel.ClientConfig{
		Identity: k.cfg.Store.Identity(), Suite: k.cfg.Suite, Candidates: h.candidate,
		Timeout: k.cfg.HandshakeTimeout, Clock: k.cfg.Clock, Implements: k.implements,
	})
	if err != nil {
		return outcome{err: err}
	}
	s := newSession(k, conn)
	s.arbitrate, s.handshakes = arbitrate, h
	s.read(ctx)
	return s.outcome()
}

// implements names the message IDs that are looked at; fragments of others need not
// be kept. It reads only what does not change.
func (k *core) implements(id byte) bool {
	return id == wire.IDJSON || id == wire.IDAudio || id >= wire.IDLoudness && id <= wire.IDPeak || k.artworkID(id)
}

// artworkID reports whether a message belongs to the artwork role of this client.
func (k *core) artworkID(id byte) bool {
	return wire.IDArtwork0 <= id && id <= wire.IDArtwork3 && slices.Contains(k.cfg.Roles, wire.RoleArtworkV1)
}

// outcome is how a connection ended.
type outcome struct {
	err       error
	goodbye   string // reason that was sent
	activated bool
}

// setPlayer changes the player's settings and reports the new state.
func (k *core) setPlayer(change func(*settings), byServer bool) {
	before := k.player
	change(&k.player)
	if k.player.delayMS != before.delayMS {
		k.save() // must outlive a power cut
	} else if k.player.volume != before.volume || k.player.muted != before.muted {
		k.saveAt = min(k.saveAt, k.cfg.Now()+saveDelay)
		if !k.live {
			k.save()
		}
	}
	k.reportAll()
	if k.player != before {
		k.emit(PlayerChanged{Volume: k.player.volume, Muted: k.player.muted, OutputDelayMS: k.player.delayMS, ByServer: byServer})
	}
}

// save stores the player's settings.
func (k *core) save() {
	k.saveAt = never
	p := k.player
	if err := k.cfg.Store.setPlayer(storedPlayer{Volume: &p.volume, Muted: &p.muted, OutputDelayMS: p.delayMS}); err != nil {
		k.cfg.Log.Error("player settings are not stored", "error", err)
	}
}

func (k *core) setAvailable(available bool) {
	if k.available == available {
		return
	}
	k.available = available
	if s := k.holder; s != nil && !available {
		s.stopCapture(CaptureUnavailable)
	}
	k.reportAll()
}

// reportAll tells the admitted servers the client's state.
func (k *core) reportAll() {
	for _, s := range []*session{k.holder, k.beside} {
		if s != nil {
			s.refresh()
			s.report()
		}
	}
}

func (k *core) setUnpairedAccess(enabled bool) {
	k.unpaired = enabled
	if enabled {
		return
	}
	for _, s := range slices.Clone(k.sessions) {
		relies := len(s.roles) > 0 || slices.Contains(s.activities, wire.ActivityPlayback)
		if relies && !paired(s.matched) {
			s.bye(wire.GoodbyePairingRequired)
		}
	}
}

func (k *core) sendCommand(m *wire.ClientCommand) {
	s := k.holder
	if s == nil || wire.ActiveFamily(s.roles, wire.RoleController) == "" {
		return
	}
	if s.controller == nil || !slices.Contains(s.controller.SupportedCommands, m.Controller.Command) {
		k.cfg.Log.Warn("controller command is not supported by the server now", "command", m.Controller.Command)
		return
	}
	s.send(m)
}

// goodbye ends all connections.
func (k *core) goodbye(reason string) {
	for _, s := range slices.Clone(k.sessions) {
		s.bye(reason)
	}
}

// hello is the client/hello that every connection gets.
func (k *core) hello() *wire.ClientHello {
	h := &wire.ClientHello{
		Name: k.cfg.Name, DeviceInfo: k.cfg.DeviceInfo, SupportedRoles: k.cfg.Roles,
		PairMethods:    k.cfg.Pairing.methods(),
		UnpairedAccess: wire.UnpairedAccess{Enabled: k.unpaired},
	}
	if slices.Contains(k.cfg.Roles, wire.RolePlayerV1) {
		h.Player = &wire.PlayerSupport{Formats: k.cfg.Formats, BufferCapacity: k.cfg.BufferCapacity}
	}
	if slices.Contains(k.cfg.Roles, wire.RoleVisualizerV1) {
		h.Visualizer = &wire.VisualizerSupport{BufferCapacity: k.cfg.VisualCapacity}
	}
	if slices.Contains(k.cfg.Roles, wire.RoleSourceV1) {
		h.Source = &wire.SourceSupport{LineSense: &k.cfg.LineSense}
	}
	return h
}

// checkHello finds faults of the configuration before the first connection.
func (k *core) checkHello() error {
	if _, err := k.codec.Encode(k.hello()); err != nil {
		return err
	}
	_, err := k.codec.Encode(&wire.ClientState{
		Available: true, Player: k.playerState(), Artwork: k.artworkState(), Visualizer: k.visualState(),
	})
	return err
}

// playerState is the player object of client/state.
func (k *core) playerState() *wire.PlayerState {
	p := k.player
	return &wire.PlayerState{
		Volume: &p.volume, Muted: &p.muted, OutputDelayMS: p.delayMS, RequiredLeadMS: p.leadMS, MinBufferMS: p.bufferMS,
		SupportedCommands: k.cfg.Commands, Format: p.format,
	}
}

// paired reports whether a category makes a paired session.
func paired(cat noise.Category) bool { return cat == noise.LongTerm }
