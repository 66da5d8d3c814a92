package gallery

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// display is the other end, as the specification describes it: it keeps per channel what
// is shown and what is pending, and says what a server must not do.
type display struct {
	fail     func(format string, args ...any)
	active   bool
	config   Config
	current  [channels]string
	pending  [channels]*arriving
	flight   *arriving
	cleared  [channels]bool
	received int // bytes
	log      []string
}

// arriving is an image; its bytes are its name, over and over.
type arriving struct {
	channel, size int
	at            int64
	data          []byte
}

func (a *arriving) name() string {
	name, _, _ := strings.Cut(string(a.data), "|")
	return name
}

func (d *display) take(m wire.ArtworkMessage, now int64) {
	d.tick(now)
	if !d.active {
		d.fail("a message outside of an active stream")
	}
	if d.config[m.Channel].Source == wire.ArtworkNone {
		d.fail("a message for channel %d, which is off", m.Channel)
	}
	switch m.Kind {
	case wire.ArtworkAnnounce:
		d.announce(m, now)
	case wire.ArtworkCancel:
		d.log = append(d.log, fmt.Sprintf("cancel %d", m.Channel))
		if d.pending[m.Channel] == nil {
			d.fail("a cancel of nothing")
		}
		d.drop(m.Channel)
	default:
		d.part(m)
	}
	d.tick(now)
}

func (d *display) announce(m wire.ArtworkMessage, now int64) {
	if d.flight != nil {
		d.fail("an announce while a transfer is in flight")
	}
	if m.Timestamp > now+20_000_000 {
		d.fail("an image %d µs ahead", m.Timestamp-now)
	}
	d.cleared[m.Channel] = m.TotalSize == 0 && m.Timestamp <= now
	a := &arriving{channel: m.Channel, size: int(m.TotalSize), at: m.Timestamp}
	d.pending[m.Channel] = a
	if a.size > 0 {
		d.flight = a
	} else {
		d.log = append(d.log, fmt.Sprintf("clear %d", m.Channel))
	}
}

func (d *display) part(m wire.ArtworkMessage) {
	a := d.flight
	switch {
	case a == nil || a.channel != m.Channel:
		d.fail("a part of nothing")
	case len(m.Data) > a.size-len(a.data):
		d.fail("a part beyond the end")
	case len(m.Data) == 0 || len(m.Data) > PartBytes:
		d.fail("a part of %d bytes", len(m.Data))
	}
	d.received += len(m.Data)
	if a.data = append(a.data, m.Data...); len(a.data) == a.size {
		d.flight = nil
		d.log = append(d.log, fmt.Sprintf("image %d %s", a.channel, a.name()))
	}
}

func (d *display) drop(ch int) {
	if d.flight == d.pending[ch] {
		d.flight = nil
	}
	d.pending[ch] = nil
}

// tick shows what is due.
func (d *display) tick(now int64) {
	for ch, a := range d.pending {
		if a != nil && a != d.flight && a.at <= now {
			d.current[ch], d.pending[ch] = a.name(), nil
		}
	}
}

func (d *display) start(c Config) {
	for ch := range c {
		if !d.active || c[ch] == d.config[ch] {
			continue
		}
		if d.flight != nil && d.flight.channel == ch {
			d.fail("channel %d changes in flight", ch)
		}
		if c[ch].Source == wire.ArtworkNone && !d.cleared[ch] {
			d.fail("channel %d is switched off with a picture on it", ch)
		}
		d.drop(ch)
	}
	if !d.active {
		d.current, d.pending, d.flight, d.cleared = [channels]string{}, [channels]*arriving{}, nil, [channels]bool{}
	}
	d.active, d.config = true, c
}

func (d *display) end() {
	if d.flight != nil {
		d.fail("the stream ends in flight")
	}
	*d = display{fail: d.fail, log: d.log, received: d.received}
}

// bench is a gallery with its display.
type bench struct {
	g    *Gallery
	d    *display
	now  int64
	open map[Key]bool // asked for and not delivered
	gone map[string]bool
	size int
}

func newBench(fail func(string, ...any)) *bench {
	return &bench{g: New(), d: &display{fail: fail}, now: 1_000_000, open: map[Key]bool{}, gone: map[string]bool{}, size: 10_000}
}

// bytesOf is the image of a key.
func (b *bench) bytesOf(k Key) []byte {
	if b.gone[k.ID] {
		return nil
	}
	name := fmt.Sprintf("%s %s %d|", k.ID, k.Format, k.Width)
	return []byte(strings.Repeat(name, b.size/len(name)+1))
}

func (b *bench) configure(c Config) {
	for _, m := range b.g.Configure(c, b.now) {
		b.d.take(m, b.now)
	}
	b.d.start(c)
}

func (b *bench) end() {
	for _, m := range b.g.End() {
		b.d.take(m, b.now)
	}
	b.d.end()
}

func (b *bench) deliver() {
	for k := range b.open {
		delete(b.open, k)
		b.g.Deliver(k, b.bytesOf(k), b.now)
	}
}

// work sends what may go, at most n messages.
func (b *bench) work(n int) (until int64) {
	for range n {
		for _, k := range b.g.Fetch(b.now) {
			b.open[k] = true
		}
		var m wire.ArtworkMessage
		var ok bool
		if m, ok, until = b.g.Next(b.now); !ok {
			return until
		}
		b.d.take(m, b.now)
		if in := b.g.InWindow(); in > Window {
			b.d.fail("%d bytes are on their way", in)
		}
	}
	return b.now
}

// settle lets everything arrive.
func (b *bench) settle() {
	for range 2_000 {
		until := b.work(1 << 20)
		b.deliver()
		b.g.Answered(b.g.InWindow())
		if again := b.work(1 << 20); again == until && len(b.open) == 0 && b.d.flight == nil {
			break
		}
		if until > b.now && until < b.now+1_000_000 {
			b.now = until // the pace, not a schedule
		}
	}
	b.d.tick(b.now)
}

func album(format string, w int) wire.ArtworkChannel {
	return wire.ArtworkChannel{Source: wire.ArtworkAlbum, Format: format, Width: w, Height: w}
}

var off = wire.ArtworkChannel{Source: wire.ArtworkNone}

func (b *bench) shows(t *testing.T, ch int, want string) {
	t.Helper()
	b.d.tick(b.now)
	if b.d.current[ch] != want {
		t.Errorf("channel %d shows %q, want %q (%v)", ch, b.d.current[ch], want, b.d.log)
	}
}

func TestLateJoinGetsTheCurrentImageThenTheScheduledOne(t *testing.T) {
	b := newBench(t.Fatalf)
	b.g.Show([]Picture{{ID: "a", At: 500_000}, {ID: "b", At: b.now + 10_000_000}}, nil)
	b.configure(Config{album("jpeg", 10), off, off, off})
	b.settle()
	b.shows(t, 0, "a jpeg 10")
	if got := strings.Join(b.d.log, ", "); got != "image 0 a jpeg 10, image 0 b jpeg 10" {
		t.Errorf("%s", got)
	}
	b.now += 10_000_000
	b.settle()
	b.shows(t, 0, "b jpeg 10")
	b.g.Show([]Picture{{ID: "b", At: 500_000}}, nil)
	b.settle()
	if len(b.d.log) != 2 {
		t.Errorf("something is sent again: %v", b.d.log)
	}
}

func TestScheduleIsKeptReplacedAndCancelled(t *testing.T) {
	b := newBench(t.Fatalf)
	show := func(pictures ...Picture) string {
		b.g.Show(pictures, nil)
		b.d.log = nil
		b.settle()
		return strings.Join(b.d.log, ", ")
	}
	a, later := Picture{ID: "a", At: 1}, b.now+15_000_000
	b.configure(Config{album("png", 5), off, off, off})
	for i, c := range []struct {
		show []Picture
		want string
	}{
		{[]Picture{a}, "image 0 a png 5"},
		{[]Picture{a, {ID: "b", At: later}}, "image 0 b png 5"},
		{[]Picture{a, {ID: "b", At: later}}, ""},
		{[]Picture{a, {ID: "c", At: later}}, "cancel 0, image 0 c png 5"}, // it has to be fetched first
		{[]Picture{a}, "cancel 0"},
		{[]Picture{a, {ID: "a", At: later}}, ""}, // the same album goes on
		{[]Picture{a, {ID: "", At: later}}, "clear 0"},
		{[]Picture{a, {ID: "a", At: later}}, "cancel 0"},
		{[]Picture{a, {ID: "b", At: later + 60_000_000}}, ""},
		{[]Picture{a, {ID: "b", At: later}}, "image 0 b png 5"},
		{[]Picture{{ID: "d", At: 2}}, "cancel 0, image 0 d png 5"}, // a jump
		{[]Picture{{ID: "", At: 3}}, "clear 0"},
		{nil, ""},
	} {
		if got := show(c.show...); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
	}
}

// A scheduled image is announced 20 s before its moment at the earliest.
func TestScheduledImageWaitsForItsHorizon(t *testing.T) {
	b := newBench(t.Fatalf)
	b.g.Show([]Picture{{ID: "a", At: 1}, {ID: "b", At: b.now + 60_000_000}}, nil)
	b.configure(Config{album("png", 5), off, off, off})
	b.settle()
	if until := b.work(1); until != b.now+60_000_000-Horizon {
		t.Errorf("looks again in %d µs", until-b.now)
	}
	b.now += 60_000_000 - Horizon
	b.settle()
	if !slices.Contains(b.d.log, "image 0 b png 5") || b.d.current[0] != "a png 5" {
		t.Errorf("%v, shows %s", b.d.log, b.d.current[0])
	}
}

func TestChangedChannelsAreSentAgainAndOthersAreNot(t *testing.T) {
	b := newBench(t.Fatalf)
	b.g.Show([]Picture{{ID: "a", At: 1}}, []Picture{{ID: "p", At: 1}})
	artist := wire.ArtworkChannel{Source: wire.ArtworkArtist, Format: "png", Width: 4, Height: 4}
	b.configure(Config{album("jpeg", 10), artist, off, off})
	b.settle()
	b.shows(t, 1, "p png 4")
	b.d.log = nil
	b.configure(Config{album("jpeg", 20), artist, off, off})
	b.settle()
	if got := strings.Join(b.d.log, ", "); got != "image 0 a jpeg 20" {
		t.Errorf("%s", got)
	}
	b.d.log = nil
	b.configure(Config{off, artist, album("png", 3), off})
	b.settle()
	if got := strings.Join(b.d.log, ", "); got != "clear 0, image 2 a png 3" {
		t.Errorf("%s", got)
	}
}

func TestChangeInFlightCancelsFirst(t *testing.T) {
	for name, next := range map[string]Config{
		"of the channel":                   {album("jpeg", 20), album("png", 5), off, off},
		"that switches another one off":    {album("jpeg", 10), off, off, off},
		"that switches all of them off":    {off, off, off, off},
		"that leaves the transfer's alone": {album("jpeg", 10), album("png", 6), off, off},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t.Fatalf)
			b.g.Show([]Picture{{ID: "a", At: 1}}, nil)
			b.configure(Config{album("jpeg", 10), album("png", 5), off, off})
			b.work(1)
			b.deliver()
			b.work(2) // announce and a part on channel 0
			if b.d.flight == nil {
				t.Fatal("nothing is in flight")
			}
			b.configure(next)
			b.settle()
			for ch, c := range next {
				want := ""
				if c.Source != wire.ArtworkNone {
					want = fmt.Sprintf("a %s %d", c.Format, c.Width)
				}
				b.shows(t, ch, want)
			}
		})
	}
}

func TestEndInFlightCancelsFirst(t *testing.T) {
	b := newBench(t.Fatalf)
	b.g.Show([]Picture{{ID: "a", At: 1}}, nil)
	b.configure(Config{album("jpeg", 10), off, off, off})
	b.work(1)
	b.deliver()
	b.work(2)
	b.end()
	if got := strings.Join(b.d.log, ", "); got != "cancel 0" {
		t.Errorf("%s", got)
	}
	if _, cancelled := b.g.Counts(); cancelled != 1 {
		t.Errorf("%d cancelled", cancelled)
	}
	b.deliver()
	if n := b.work(10); n != 0 || len(b.g.Fetch(b.now)) != 0 {
		t.Error("an ended stream goes on")
	}
	b.configure(Config{album("jpeg", 10), off, off, off})
	b.settle()
	b.shows(t, 0, "a jpeg 10")
}

// An image that cannot be had is a blank display, and is asked for again.
func TestImageThatIsGoneClears(t *testing.T) {
	b := newBench(t.Fatalf)
	b.g.Show([]Picture{{ID: "a", At: 1}}, nil)
	b.configure(Config{album("jpeg", 10), off, off, off})
	b.settle()
	b.gone["x"] = true
	b.g.Show([]Picture{{ID: "x", At: 2}}, nil)
	b.settle()
	b.shows(t, 0, "")
	until := b.work(1)
	if until <= b.now {
		t.Fatalf("never asks again: %d", until)
	}
	b.now, b.gone = until, map[string]bool{}
	b.settle()
	b.shows(t, 0, "x jpeg 10")
}

// What is on its way is bounded whatever the size, and a fast link is not filled.
func TestPace(t *testing.T) {
	b := newBench(t.Fatalf)
	b.size = 600_000
	b.g.Show([]Picture{{ID: "a", At: 1}}, nil)
	b.configure(Config{album("png", 10), off, off, off})
	b.work(1)
	b.deliver()
	b.work(1 << 20)
	if b.d.received != Window {
		t.Errorf("%d bytes are sent without an answer", b.d.received)
	}
	b.now += 3_000_000
	b.work(1 << 20)
	if b.d.received != Window {
		t.Errorf("%d bytes are sent without an answer", b.d.received)
	}
	from := b.now
	for b.d.flight != nil {
		b.g.Answered(b.g.InWindow())
		if until := b.work(1 << 20); until > b.now {
			b.now = until
		}
	}
	if took := b.now - from; took < 2_000_000 || took > 3_000_000 {
		t.Errorf("600 kB take %d µs on a fast link, want 2 to 3 s", took)
	}
}

// Whatever pairing, the group, the operator and the display do, in any order and at any
// time: the display never sees a rule broken, and in the end it shows what it should.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t.Fatalf)
		channel := rapid.Custom(func(t *rapid.T) wire.ArtworkChannel {
			if rapid.IntRange(0, 3).Draw(t, "off") == 0 {
				return off
			}
			return wire.ArtworkChannel{
				Source: rapid.SampledFrom([]string{"album", "artist"}).Draw(t, "source"), Format: rapid.SampledFrom([]string{"jpeg", "png"}).Draw(t, "format"),
				Width: rapid.IntRange(1, 3).Draw(t, "width"), Height: 1,
			}
		})
		plan := rapid.Custom(func(t *rapid.T) []Picture {
			ids := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "gone"}), 0, 3).Draw(t, "ids")
			at := b.now - rapid.Int64Range(0, 5_000_000).Draw(t, "past")
			var out []Picture
			for _, id := range ids {
				out = append(out, Picture{ID: id, At: at})
				at += rapid.Int64Range(1, 30_000_000).Draw(t, "gap")
			}
			return out
		})
		b.gone["gone"] = true
		b.size = rapid.IntRange(1, 60_000).Draw(t, "size")
		t.Repeat(map[string]func(*rapid.T){
			"configure": func(t *rapid.T) {
				var c Config
				for i := range c {
					c[i] = channel.Draw(t, "channel")
				}
				b.configure(c)
			},
			"end": func(t *rapid.T) {
				if b.g.Active() {
					b.end()
				}
			},
			"show":   func(t *rapid.T) { b.g.Show(plan.Draw(t, "album"), plan.Draw(t, "artist")) },
			"send":   func(t *rapid.T) { b.work(rapid.IntRange(1, 6).Draw(t, "messages")) },
			"answer": func(*rapid.T) { b.g.Answered(b.g.InWindow()) },
			"arrive": func(*rapid.T) { b.deliver() },
			"time":   func(t *rapid.T) { b.now += rapid.Int64Range(0, 12_000_000).Draw(t, "µs") },
			"settle": func(t *rapid.T) {
				b.settle()
				if !b.g.Active() {
					return
				}
				for ch, c := range b.d.config {
					want := ""
					if cur, _ := b.g.wanted(ch, b.now); cur.ID != "" && cur.ID != "gone" {
						want = fmt.Sprintf("%s %s %d", cur.ID, c.Format, c.Width)
					}
					if b.d.current[ch] != want {
						t.Fatalf("channel %d shows %q, want %q\n%v", ch, b.d.current[ch], want, b.d.log)
					}
				}
				if n := len(maps.Collect(maps.All(b.g.images))); n > 2*channels {
					t.Fatalf("%d images are kept", n)
				}
			},
		})
	})
}
