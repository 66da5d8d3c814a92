package client

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Config describes a client. Name and, for a player, Formats and BufferCapacity have
// to be set; everything else has a default.
type Config struct {
	// Name is the friendly name of the client.
	Name string
	// DeviceInfo describes the device; nil says nothing.
	DeviceInfo *wire.DeviceInfo
	// Store holds identity and records ([OpenStore]). Nil keeps them in memory, with
	// Identity, or a new identity when that is nil too.
	Store    *Store
	Identity *noise.PrivateKey
	// Suite is the cipher suite; empty is ChaCha20-Poly1305.
	Suite noise.Suite
	// Roles are the versioned roles in order of preference: player, controller,
	// metadata, artwork, color, visualizer and source, all in version 1. Nil is player,
	// controller and metadata.
	Roles []string
	// UnpairedAccess admits servers without a pairing record.
	UnpairedAccess bool
	// Pairing says how servers may pair.
	Pairing PairingConfig
	// AcceptSuccessors lists the role [RoleSuccessors]: a paired server may name the
	// servers that may take over its pairing record, in a signed roster which
	// VerifyRoster checks. Nothing else passes a record on. Without it, a record that
	// another server uses fails the handshake, as the specification has it.
	AcceptSuccessors bool
	VerifyRoster     RosterVerifier

	// Formats are the player's formats, first is preferred. One of them has to be
	// flac or pcm.
	Formats []wire.AudioFormat
	// BufferCapacity is the player's buffer in bytes of chunks with their headers.
	BufferCapacity int
	// RequiredLeadMS and MinBufferMS are the timing parameters of client/state.
	RequiredLeadMS, MinBufferMS int
	// Commands are the player commands that the server may send; nil is all of them.
	Commands []string
	// Volume and Muted are used until the store has values of its own; nil is 100,
	// not muted.
	Volume *int
	Muted  *bool

	// Artwork is what an artwork client asks for on its channels, 1 to 4 of them; nil is
	// one channel of album covers, JPEG of 600 by 600 pixels.
	Artwork []wire.ArtworkChannel
	// VisualCapacity is the visualizer's buffer in bytes of messages with their type and
	// timestamp.
	VisualCapacity int
	// Visualizer is what the visualizer role asks for at first; [Client.SetVisualizer]
	// changes it. Nil asks for no data.
	Visualizer *wire.VisualizerState
	// LineSense is for a source whose input tells whether there is a signal: client/state
	// then carries what SetSignal said last, at first that it is absent.
	LineSense bool

	// OnEvent and OnChunk are told what happens. They are called one after the other
	// for each connection's messages, in the order of arrival, and must return soon:
	// until then the connection reads nothing. OnEvent is never called twice at once;
	// OnChunk may run while OnEvent tells something that did not come from a message.
	OnEvent func(Event)
	OnChunk func(Chunk)
	// OnVisual is told the frames of a visualizer stream that are not late, in the order
	// of arrival, as OnEvent is.
	OnVisual func(Visual)

	// Strict checks what the server sends against the specification and tells
	// [Violation] for what it breaks. It costs time for every chunk.
	Strict bool

	// Clock runs the timers; nil is the real one.
	Clock clockwork.Clock
	// Now is the client's monotonic clock in microseconds, which the time filter maps
	// to the server's. It has to stay above 0. Nil derives it from Clock.
	Now func() int64
	// Log gets a line for every change of state; nil is silent.
	Log *slog.Logger

	// Path is the WebSocket path that Serve answers; empty is /sendspin.
	Path string
	// SyncInterval is the pause between bursts of time exchanges once the first ones
	// are through; 0 is 10 s.
	SyncInterval time.Duration
	// BackoffMin and BackoffMax bound the pause before Dial connects again; 0 is 1 s
	// and 60 s.
	BackoffMin, BackoffMax time.Duration
	// HandshakeTimeout is for each handshake message, and for a server's first
	// server/activate; 0 is 30 s.
	HandshakeTimeout time.Duration
}

func supportedRoles() []string {
	return []string{
		wire.RolePlayerV1, wire.RoleControllerV1, wire.RoleMetadataV1, wire.RoleArtworkV1, wire.RoleColorV1,
		wire.RoleVisualizerV1, wire.RoleSourceV1,
	}
}

// check fills in the defaults and verifies the rest.
func (c *Config) check() error {
	c.defaults()
	if !c.Suite.Valid() {
		return fmt.Errorf("client: suite %q is not one of the specification", c.Suite)
	}
	families := map[string]bool{}
	for _, role := range c.Roles {
		if !slices.Contains(supportedRoles(), role) {
			return fmt.Errorf("client: role %q is not implemented; use %q", role, supportedRoles())
		}
		family, _ := wire.ParseRole(role)
		families[family] = true
	}
	if families[wire.RolePlayer] {
		ok := slices.ContainsFunc(c.Formats, func(f wire.AudioFormat) bool { return f.Codec != wire.CodecOpus })
		if !ok || c.BufferCapacity <= 0 {
			return errors.New("client: a player needs a flac or pcm format and a buffer capacity")
		}
	}
	if families[wire.RoleVisualizer] && c.VisualCapacity <= 0 {
		return errors.New("client: a visualizer needs a buffer capacity")
	}
	if err := c.Pairing.check(); err != nil {
		return err
	}
	if c.AcceptSuccessors {
		if c.VerifyRoster == nil {
			return errors.New("client: successors are accepted by their roster only: set VerifyRoster")
		}
		c.Roles = append(slices.Clone(c.Roles), RoleSuccessors)
	}
	if c.Store == nil {
		store, err := NewStore(c.Identity)
		if err != nil {
			return err
		}
		c.Store = store
	}
	return nil
}

func (c *Config) defaults() {
	if c.Suite == "" {
		c.Suite = noise.ChaChaPoly
	}
	if c.Roles == nil {
		c.Roles = []string{wire.RolePlayerV1, wire.RoleControllerV1, wire.RoleMetadataV1}
	}
	if c.Commands == nil {
		c.Commands = []string{wire.PlayerVolume, wire.PlayerMute, wire.PlayerSetOutputDelay}
	}
	if c.Artwork == nil {
		c.Artwork = []wire.ArtworkChannel{{Source: wire.ArtworkAlbum, Format: wire.ImageJPEG, Width: 600, Height: 600}}
	}
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	if c.OnChunk == nil {
		c.OnChunk = func(Chunk) {}
	}
	if c.OnVisual == nil {
		c.OnVisual = func(Visual) {}
	}
	if c.Visualizer == nil {
		c.Visualizer = &wire.VisualizerState{RateMax: defaultVisualRate}
	}
	if c.Clock == nil {
		c.Clock = clockwork.NewRealClock()
	}
	if c.Now == nil {
		c.Now = sinceStart(c.Clock)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Path == "" {
		c.Path = "/sendspin"
	}
	orDefault(&c.SyncInterval, 10*time.Second)
	orDefault(&c.BackoffMin, time.Second)
	orDefault(&c.BackoffMax, time.Minute)
	orDefault(&c.HandshakeTimeout, 30*time.Second)
}

func orDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// sinceStart is a monotonic clock that starts at one second, so that no reading is
// at or below 0, where the time filter would discard it.
func sinceStart(clock clockwork.Clock) func() int64 {
	start := clock.Now()
	return func() int64 { return int64(time.Second/time.Microsecond) + clock.Since(start).Microseconds() }
}
