package gallery

import (
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	// PartBytes is the size of a part: 10 ms of a link of 400 kB/s.
	PartBytes = 4096
	// Window is how much may be on its way without an answer.
	Window = 2 * PartBytes
	// rate is how fast parts go on a link that takes more, bytes per second, and burst how
	// much of it may be saved up.
	rate, burst = 256 << 10, 4 * PartBytes
	// Horizon is how long before its moment an image is announced, µs. 20 s are the limit
	// (section Server rules for scheduled artwork); half a second less leaves room for
	// clocks that are a little off.
	Horizon = 19_500_000
	// MaxImage is the largest image that is sent, bytes.
	MaxImage = 16 << 20
	// retryUS is when an image that could not be had is asked for again, µs.
	retryUS = 5_000_000
)

// channels of a display.
const channels = wire.MaxArtworkChannels

// Picture is an image that should be shown from a moment on; an empty ID is none.
type Picture struct {
	ID       string
	At       int64  // house clock, µs
	Instance string // that has it
}

// Key names an image as a channel wants it.
type Key struct {
	ID, Format    string
	Width, Height int
	Instance      string
}

// Config is what a display shows on its channels.
type Config [channels]wire.ArtworkChannel

// Gallery is the artwork state of one session. It is used by one goroutine.
type Gallery struct {
	active        bool
	config        Config
	album, artist []Picture
	told          [channels]told
	flight        *flight
	images        map[Key]*image

	unanswered     int // bytes since the last answer
	tokens, refill int64

	sent, cancelled uint64
}

// told is what a channel of the display has.
type told struct {
	current string
	known   bool // current is what is shown; false after a change of the configuration
	pending *announced
}

// announced is a pending image.
type announced struct {
	id string // "" clears
	at int64
}

// flight is the transfer in flight. It is its channel's pending image.
type flight struct {
	channel int
	data    []byte // still to be sent
	of      *announced
}

// image is an image that is wanted.
type image struct {
	data  []byte
	asked bool  // it is being fetched
	again int64 // when it may be asked for again, after a failure
	ready bool
}

// New returns a gallery without an active stream.
func New() *Gallery { return &Gallery{images: map[Key]*image{}} }

// Active reports whether the artwork stream is active.
func (g *Gallery) Active() bool { return g.active }

// Counts returns how many images were sent whole, and how many transfers and scheduled
// images were cancelled.
func (g *Gallery) Counts() (sent, cancelled uint64) { return g.sent, g.cancelled }

// Show says what should be shown: pictures in the order of their moments, of which the
// last one that has come is shown.
func (g *Gallery) Show(album, artist []Picture) { g.album, g.artist = album, artist }

// Configure starts the stream, or changes its configuration. What it returns has to be
// sent before the stream/start: a transfer that would be in the way is cancelled, and a
// channel that is switched off is cleared.
func (g *Gallery) Configure(c Config, now int64) []wire.ArtworkMessage {
	if !g.active {
		*g = Gallery{active: true, config: c, album: g.album, artist: g.artist, images: map[Key]*image{}, refill: now, tokens: burst, sent: g.sent, cancelled: g.cancelled}
		for ch := range g.told {
			g.told[ch].known = true // a new stream shows nothing
		}
		return nil
	}
	var out []wire.ArtworkMessage
	for ch, next := range c {
		if next == g.config[ch] {
			continue
		}
		off := next.Source == wire.ArtworkNone
		// A clear is an announce, and there is none while anything is in flight.
		if f := g.flight; f != nil && (f.channel == ch || off) {
			out = append(out, g.cancel(f.channel))
		}
		if off {
			out = append(out, wire.ArtworkMessage{Kind: wire.ArtworkAnnounce, Channel: ch, Timestamp: now})
		}
		g.told[ch] = told{}
	}
	g.config = c
	return out
}

// End ends the stream. What it returns has to be sent before the stream/end.
func (g *Gallery) End() []wire.ArtworkMessage {
	var out []wire.ArtworkMessage
	if g.active && g.flight != nil {
		out = append(out, g.cancel(g.flight.channel))
	}
	g.active, g.flight = false, nil
	clear(g.images)
	g.told = [channels]told{}
	return out
}

// cancel discards a channel's pending image.
func (g *Gallery) cancel(ch int) wire.ArtworkMessage {
	g.cancelled++
	g.told[ch].pending = nil
	if g.flight != nil && g.flight.channel == ch {
		g.flight = nil
	}
	return wire.ArtworkMessage{Kind: wire.ArtworkCancel, Channel: ch}
}

// Next returns the next message, which must be sent, or when to look again; 0: when
// something was delivered, answered or changed.
func (g *Gallery) Next(now int64) (m wire.ArtworkMessage, ok bool, until int64) {
	if !g.active {
		return m, false, 0
	}
	if f := g.flight; f != nil {
		if g.obsolete(f, now) {
			return g.cancel(f.channel), true, 0
		}
		return g.part(now)
	}
	for ch := range g.told {
		m, ok, look := g.sync(ch, now)
		if ok {
			return m, true, 0
		}
		until = earliest(until, look)
	}
	return m, false, earliest(until, g.retry(now))
}

// earliest is the smallest that is not 0.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// sync returns what a channel is missing.
func (g *Gallery) sync(ch int, now int64) (m wire.ArtworkMessage, ok bool, until int64) {
	t := &g.told[ch]
	if g.config[ch].Source == wire.ArtworkNone {
		return m, false, 0
	}
	t.advance(now)
	cur, up := g.wanted(ch, now)
	shown, ready := g.effective(ch, cur)
	switch {
	case !ready:
		// The image of now comes before any other: in the other order it would discard
		// the schedule (section Late join). What is scheduled wrongly goes at once.
		if t.pending != nil && (up == nil || t.pending.id != up.ID || t.pending.at != up.At) {
			return g.cancel(ch), true, 0
		}
		return m, false, 0
	case !t.known || t.current != shown:
		at := cur.At
		if at <= 0 || at > now {
			at = now // nothing, from now on
		}
		return g.announce(ch, shown, at, cur), true, 0
	}
	return g.schedule(ch, shown, up, now)
}

// schedule returns what is missing of what comes next on a channel that shows the right
// thing now.
func (g *Gallery) schedule(ch int, shown string, up *Picture, now int64) (m wire.ArtworkMessage, ok bool, until int64) {
	t := &g.told[ch]
	if up == nil {
		return g.unschedule(ch)
	}
	if up.At-now > Horizon {
		m, ok, _ = g.unschedule(ch)
		return m, ok, up.At - Horizon
	}
	id, ready := g.effective(ch, *up)
	switch {
	case !ready:
		m, ok, _ = g.unschedule(ch) // what was announced instead is wrong by now
		return m, ok, up.At
	case id == shown:
		m, ok, _ = g.unschedule(ch)
		return m, ok, up.At
	case t.pending != nil && *t.pending == announced{id, up.At}:
		return m, false, up.At
	}
	return g.announce(ch, id, up.At, *up), true, 0
}

func (g *Gallery) unschedule(ch int) (m wire.ArtworkMessage, ok bool, until int64) {
	if g.told[ch].pending == nil {
		return m, false, 0
	}
	return g.cancel(ch), true, 0
}

// announce begins a transfer, or clears.
func (g *Gallery) announce(ch int, id string, at int64, p Picture) wire.ArtworkMessage {
	a := &announced{id: id, at: at}
	g.told[ch].pending = a
	var data []byte
	if id != "" {
		data = g.images[g.key(ch, p)].data
		g.flight = &flight{channel: ch, data: data, of: a}
	}
	return wire.ArtworkMessage{Kind: wire.ArtworkAnnounce, Channel: ch, Timestamp: at, TotalSize: uint32(len(data))}
}

// advance makes the pending image the current one when its moment has come, as the
// display does. It is only called while nothing is in flight.
func (t *told) advance(now int64) {
	if t.pending != nil && t.pending.at <= now {
		t.current, t.known, t.pending = t.pending.id, true, nil
	}
}

// obsolete reports whether a transfer is for something that is not wanted any more.
func (g *Gallery) obsolete(f *flight, now int64) bool {
	cur, up := g.wanted(f.channel, now)
	shown, ready := g.effective(f.channel, cur)
	if f.of.id == shown && ready && f.of.at <= now {
		return false
	}
	if up == nil || up.ID != f.of.id || up.At != f.of.at {
		return true
	}
	t := g.told[f.channel]
	return ready && (!t.known || t.current != shown) // the image of now goes first
}

// part returns the next part of the transfer in flight, if it may go now.
func (g *Gallery) part(now int64) (m wire.ArtworkMessage, ok bool, until int64) {
	f := g.flight
	n := min(len(f.data), PartBytes)
	if g.unanswered > 0 && g.unanswered+n > Window {
		return m, false, 0
	}
	if us := max(now-g.refill, 0); us > 0 {
		g.tokens = min(burst, g.tokens+min(us, 1_000_000)*rate/1_000_000)
		g.refill = now
	}
	if g.tokens < int64(n) {
		return m, false, now + (int64(n)-g.tokens)*1_000_000/rate + 1
	}
	g.tokens -= int64(n)
	g.unanswered += n
	m = wire.ArtworkMessage{Channel: f.channel, Data: f.data[:n]}
	if f.data = f.data[n:]; len(f.data) == 0 {
		g.flight = nil
		g.sent++
	}
	return m, true, 0
}

// Unanswered reports whether parts are on their way that no answer has confirmed: ping
// the client, and call Answered.
func (g *Gallery) Unanswered() bool { return g.unanswered > 0 }

// Answered says that everything that was sent until the ping has arrived; bytes is what
// [Gallery.InWindow] was then.
func (g *Gallery) Answered(bytes int) { g.unanswered = max(g.unanswered-bytes, 0) }

// InWindow is how many bytes are on their way.
func (g *Gallery) InWindow() int { return g.unanswered }
