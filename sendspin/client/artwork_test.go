package client

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var (
	cover  = wire.ArtworkChannel{Source: wire.ArtworkAlbum, Format: wire.ImageJPEG, Width: 8, Height: 6}
	person = wire.ArtworkChannel{Source: wire.ArtworkArtist, Format: wire.ImagePNG, Width: 4, Height: 4}
	off    = wire.ArtworkChannel{Source: wire.ArtworkNone}
)

// picture is an image as a channel asks for it.
func picture(t *testing.T, c wire.ArtworkChannel) []byte {
	t.Helper()
	var b bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, c.Width, c.Height))
	encode := func() error { return jpeg.Encode(&b, img, nil) }
	if c.Format == wire.ImagePNG {
		encode = func() error { return png.Encode(&b, img) }
	}
	if err := encode(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// newDisplay is a client with the artwork role that asks for these channels. Its artwork
// stream is started when start is true.
func newDisplay(t *testing.T, start bool, channels ...wire.ArtworkChannel) *rig {
	t.Helper()
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) {
		c.Roles, c.Artwork = []string{wire.RoleArtworkV1, wire.RoleColorV1}, channels
	})
	// client/state goes out before the clock is synchronized; wait for that, or nothing
	// that the referee checks by it would be checked.
	r.play(t, wire.RoleArtworkV1)
	for e := waitFor[Synced](t, r.recorder); !e.Ready; e = waitFor[Synced](t, r.recorder) {
	}
	if start {
		r.startArtwork(channels...)
	}
	return r
}

func (r *rig) startArtwork(channels ...wire.ArtworkChannel) {
	r.srv.Send(&wire.StreamStart{ServerTransmitted: r.srv.Now(), Artwork: &wire.ArtworkStream{Channels: channels}})
}

func announce(ch int, at int64, size int) wire.ArtworkMessage {
	return wire.ArtworkMessage{Kind: wire.ArtworkAnnounce, Channel: ch, Timestamp: at, TotalSize: uint32(size)}
}

func TestArtworkIsShownAtItsTime(t *testing.T) {
	r := newDisplay(t, false, cover, person)
	r.startArtwork(cover, person)
	if e := waitFor[ArtworkStarted](t, r.recorder); e.InPlace || len(e.Channels) != 2 || e.Channels[1] != person {
		t.Errorf("%+v", e)
	}
	one, two := picture(t, cover), picture(t, person)
	r.srv.SendImage(0, r.srv.Now(), one, 100)
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Channel != 0 || !bytes.Equal(e.Image.Data, one) || e.Image.Config != cover {
		t.Errorf("%+v", e)
	}
	at := r.srv.Now() + 3_000_000 // it has to come before that
	r.srv.SendImage(1, at, two, 1000)
	if e := waitFor[ArtworkPending](t, r.recorder); e.Channel != 1 || !bytes.Equal(e.Image.Data, two) {
		t.Errorf("%+v", e)
	}
	// It goes by what it knows of the server's clock, and that is as good as it says.
	off := r.c.Stats().MaxErrUS
	e := waitFor[ArtworkChanged](t, r.recorder)
	now := r.srv.Now()
	if off = 5_000 + max(off, r.c.Stats().MaxErrUS); e.Channel != 1 || e.Image.Timestamp != at || now < at-off {
		t.Errorf("%+v at %d, the clock is known to %d µs", e, now, off)
	}
	r.srv.SendImage(0, r.srv.Now(), nil, 1)
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Channel != 0 || e.Image != nil {
		t.Errorf("%+v", e)
	}
	r.srv.Send(&wire.StreamEnd{Roles: []string{wire.RoleArtwork}})
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Channel != 1 || e.Image != nil {
		t.Errorf("%+v", e)
	}
	waitFor[ArtworkEnded](t, r.recorder)
	if n := r.c.Stats().Images; n != 3 {
		t.Errorf("%d images", n)
	}
	r.wantNoViolations(t)
}

func TestArtworkIsReplacedAndCancelled(t *testing.T) {
	r := newDisplay(t, true, cover, person)
	later := func() int64 { return r.srv.Now() + 10_000_000 }
	pending := func(want bool) {
		t.Helper()
		if e := waitFor[ArtworkPending](t, r.recorder); e.Channel != 0 || (e.Image != nil) != want {
			t.Errorf("%+v, want an image: %v", e, want)
		}
	}
	r.srv.SendImage(0, later(), picture(t, cover), 1000)
	pending(true)
	r.srv.SendImage(0, later(), nil, 1) // a clear replaces it
	pending(false)
	pending(true)
	r.srv.SendArtwork(wire.ArtworkMessage{Kind: wire.ArtworkCancel, Channel: 0})
	pending(false)
	// A transfer that is cancelled makes room for one on another channel.
	r.srv.SendArtwork(announce(0, later(), 50))
	r.srv.SendArtwork(wire.ArtworkMessage{Channel: 0, Data: []byte{1, 2, 3}})
	r.srv.SendArtwork(wire.ArtworkMessage{Kind: wire.ArtworkCancel, Channel: 0})
	r.srv.SendImage(1, r.srv.Now(), picture(t, person), 1000)
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Channel != 1 {
		t.Errorf("%+v", e)
	}
	r.wantNoViolations(t)
}

func TestArtworkConfigurationChanges(t *testing.T) {
	r := newDisplay(t, true, cover, person)
	r.srv.SendImage(1, r.srv.Now()+10_000_000, picture(t, person), 1000)
	if e := waitFor[ArtworkPending](t, r.recorder); e.Image == nil {
		t.Errorf("%+v", e)
	}
	larger := person
	larger.Width = 5
	if err := r.c.SetArtwork([]wire.ArtworkChannel{off, larger}); err != nil {
		t.Fatal(err)
	}
	if s := sendspintest.Expect[*wire.ClientState](r.srv); len(s.Artwork.Channels) != 2 || s.Artwork.Channels[1] != larger {
		t.Errorf("%+v", s.Artwork)
	}
	r.srv.SendImage(0, r.srv.Now()-1_000_000, nil, 1) // due, whatever the client's estimate of the clock is
	r.startArtwork(off, larger)
	if e := waitFor[ArtworkStarted](t, r.recorder); !e.InPlace {
		e = waitFor[ArtworkStarted](t, r.recorder)
		if !e.InPlace {
			t.Errorf("%+v", e)
		}
	}
	if e := waitFor[ArtworkPending](t, r.recorder); e.Channel != 1 || e.Image != nil {
		t.Errorf("the pending image of a changed channel: %+v", e)
	}
	r.srv.SendImage(1, r.srv.Now(), picture(t, larger), 1000)
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Channel != 1 || e.Image.Config != larger {
		t.Errorf("%+v", e)
	}
	for name, bad := range map[string][]wire.ArtworkChannel{"none": {}, "five": {off, off, off, off, off}, "no size": {{Source: "album", Format: "png"}}} {
		if err := r.c.SetArtwork(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.wantNoViolations(t)
}

func TestUnavailableDisplayFollowsTransfers(t *testing.T) {
	r := newDisplay(t, true, cover)
	if err := r.c.SetAvailable(false); err != nil {
		t.Fatal(err)
	}
	sendspintest.Expect[*wire.ClientState](r.srv)
	r.crossing(t)
	r.srv.SendImage(0, r.srv.Now(), picture(t, cover), 100)
	r.srv.SendImage(0, r.srv.Now(), nil, 1) // would be refused if the transfer above were open
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Image != nil {
		t.Errorf("an image is shown while the client is not available: %+v", e)
	}
	r.wantNoViolations(t)
}

func TestRemovedArtworkRoleShowsNothing(t *testing.T) {
	r := newDisplay(t, true, cover)
	r.srv.SendImage(0, r.srv.Now(), picture(t, cover), 100)
	waitFor[ArtworkChanged](t, r.recorder)
	r.srv.Send(&wire.StreamEnd{})
	r.srv.Activate([]string{})
	if e := waitFor[ArtworkChanged](t, r.recorder); e.Image != nil {
		t.Errorf("%+v", e)
	}
	r.settle(t)
	r.wantNoViolations(t)
}

// TestMalformedArtworkCloses shows what section Malformed messages and Malformed sequences
// list: the connection is closed, by a client that is strict and by one that is not.
func TestMalformedArtworkCloses(t *testing.T) {
	raw := func(b ...byte) func(*rig) {
		return func(r *rig) { _ = r.srv.Conn.WritePlain(t.Context(), b) }
	}
	for name, send := range map[string]func(*rig){
		"no flags":            raw(8),
		"reserved flag":       raw(8, 4, 1),
		"both flags":          raw(8, 3),
		"long cancel":         raw(8, 1, 0),
		"short announce":      raw(8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"too large":           func(r *rig) { _ = r.srv.Conn.WriteMessage(t.Context(), 8, make([]byte, wire.MaxArtworkMessage)) },
		"announce in flight":  func(r *rig) { r.srv.SendArtwork(announce(0, 1, 9)); r.srv.SendArtwork(announce(1, 1, 9)) },
		"part out of nowhere": func(r *rig) { r.srv.SendArtwork(wire.ArtworkMessage{Channel: 0, Data: []byte{1}}) },
		"part elsewhere": func(r *rig) {
			r.srv.SendArtwork(announce(0, 1, 9))
			r.srv.SendArtwork(wire.ArtworkMessage{Channel: 1, Data: []byte{1}})
		},
		"part too long": func(r *rig) {
			r.srv.SendArtwork(announce(0, 1, 9))
			r.srv.SendArtwork(wire.ArtworkMessage{Channel: 0, Data: make([]byte, 10)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDisplay(t, true, cover, person)
			send(r)
			var closed *channel.CloseError
			if err := r.srv.WaitClosed(); !errors.As(err, &closed) || closed.Code != channel.CloseSilent {
				t.Errorf("the server sees %v, want a silent close", err)
			}
			if v := r.violations(); len(v) != 1 || v[0].Rule != ruleArtwork {
				t.Errorf("violations %v", v)
			}
		})
	}
}

func TestRefereeSeesArtworkViolations(t *testing.T) {
	const stream, binary = "stream/start artwork object", ruleArtwork
	change := func(t *testing.T, r *rig, channels ...wire.ArtworkChannel) {
		t.Helper()
		if err := r.c.SetArtwork(channels); err != nil {
			t.Fatal(err)
		}
		sendspintest.Expect[*wire.ClientState](r.srv)
	}
	image := func(r *rig, ch int, ahead time.Duration, data []byte) {
		r.srv.SendImage(ch, r.srv.Now()+ahead.Microseconds(), data, 1000)
	}
	for name, c := range map[string]struct {
		rule   string
		script func(t *testing.T, r *rig)
	}{
		"image before the stream": {binary, func(_ *testing.T, r *rig) {
			r.srv.Send(&wire.StreamEnd{})
			image(r, 0, 0, nil)
		}},
		"image on a channel that is off": {binary, func(_ *testing.T, r *rig) { image(r, 2, 0, nil) }},
		"scheduled too far":              {binary, func(_ *testing.T, r *rig) { image(r, 0, 100*time.Second, nil) }},
		"no image":                       {binary, func(_ *testing.T, r *rig) { image(r, 0, 0, []byte("GIF89a")) }},
		"wrong format":                   {binary, func(t *testing.T, r *rig) { image(r, 1, 0, picture(t, cover)) }},
		"wrong size": {binary, func(t *testing.T, r *rig) {
			c := cover
			c.Width++
			image(r, 0, 0, picture(t, c))
		}},
		"end in flight": {binary, func(_ *testing.T, r *rig) {
			r.srv.SendArtwork(announce(0, 1, 9))
			r.srv.Send(&wire.StreamEnd{})
		}},
		"change in flight": {binary, func(t *testing.T, r *rig) {
			c := cover
			c.Width++
			change(t, r, c, person)
			r.srv.SendArtwork(announce(0, 1, 9))
			r.startArtwork(c, person)
		}},
		"none without a clear": {binary, func(t *testing.T, r *rig) {
			change(t, r, off, person)
			r.startArtwork(off, person)
		}},
		"none with a clear for later": {binary, func(t *testing.T, r *rig) {
			change(t, r, off, person)
			image(r, 0, 10*time.Second, nil)
			r.startArtwork(off, person)
		}},
		"none with an image after the clear": {binary, func(t *testing.T, r *rig) {
			change(t, r, off, person)
			image(r, 0, 0, nil)
			image(r, 0, 0, picture(t, cover))
			r.startArtwork(off, person)
		}},
		"other channels than asked for": {stream, func(_ *testing.T, r *rig) { r.startArtwork(cover) }},
		"not truncated": {stream, func(_ *testing.T, r *rig) {
			r.startArtwork(cover, person, off)
		}},
		"role not active": {stream, func(_ *testing.T, r *rig) {
			r.srv.Send(&wire.StreamEnd{})
			r.srv.Activate([]string{})
			r.startArtwork(cover, person)
		}},
		"role gone, no end": {"server/activate", func(_ *testing.T, r *rig) { r.srv.Activate([]string{}) }},
		"clear":             {"stream/clear", func(_ *testing.T, r *rig) { r.srv.Send(&wire.StreamClear{ServerTransmitted: r.srv.Now()}) }},
		"end of another role": {"stream/end", func(_ *testing.T, r *rig) {
			r.srv.Send(&wire.StreamEnd{Roles: []string{wire.RolePlayer}})
		}},
		"change is overdue": {"client/state artwork object", func(t *testing.T, r *rig) {
			change(t, r, cover)
			if err := r.c.do(func(k *core) { k.holder.referee.tick(k.cfg.Now() + promptly + 1_000_000) }); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDisplay(t, true, cover, person)
			r.settle(t)
			r.wantNoViolations(t)
			c.script(t, r)
			if v := waitFor[Violation](t, r.recorder); v.Rule != c.rule || v.Detail == "" {
				t.Errorf("violation %q, want one of %q", v, c.rule)
			}
		})
	}
}

// TestRefereeWantsTheStateFirst: a role that comes back waits for its own client/state.
func TestRefereeWantsTheStateFirst(t *testing.T) {
	r := newDisplay(t, true, cover)
	r.srv.Send(&wire.StreamEnd{})
	r.srv.Activate([]string{})
	r.settle(t)
	r.wantNoViolations(t)
	if err := r.c.do(func(k *core) {
		k.holder.apply([]string{}, []string{wire.RoleArtworkV1}, k.cfg.Now())
		k.holder.referee.artwork.asked = nil // as if the client had not said it yet
	}); err != nil {
		t.Fatal(err)
	}
	r.startArtwork(cover)
	if v := waitFor[Violation](t, r.recorder); !strings.Contains(v.Detail, "has not said") {
		t.Errorf("%s", v)
	}
}

func TestRefereeChecksContrast(t *testing.T) {
	black, white, grey := &wire.RGB{}, &wire.RGB{255, 255, 255}, &wire.RGB{128, 128, 128}
	dark, light := &wire.RGB{30, 30, 60}, &wire.RGB{220, 220, 240}
	for name, c := range map[string]struct {
		color wire.Color
		ok    bool
	}{
		"nothing":                {wire.Color{}, true},
		"all":                    {wire.Color{BackgroundDark: dark, OnDark: light, BackgroundLight: light, OnLight: dark, Primary: grey, Accent: grey}, true},
		"grey alone":             {wire.Color{Primary: grey, Accent: grey}, true},
		"extremes":               {wire.Color{BackgroundDark: black, OnDark: white, BackgroundLight: white, OnLight: black}, true},
		"background_dark white":  {wire.Color{BackgroundDark: white}, false},
		"background_light black": {wire.Color{BackgroundLight: black}, false},
		"on_dark black":          {wire.Color{OnDark: black}, false},
		"on_light white":         {wire.Color{OnLight: white}, false},
		"on_dark on background":  {wire.Color{BackgroundDark: &wire.RGB{110, 110, 110}, OnDark: grey}, false},
		"on_light on background": {wire.Color{BackgroundLight: grey, OnLight: &wire.RGB{110, 110, 110}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDisplay(t, false, cover)
			r.srv.Activate([]string{}, wire.RoleArtworkV1, wire.RoleColorV1)
			c.color.Timestamp = r.srv.Now()
			r.srv.Send(&wire.ServerState{Color: &c.color})
			waitFor[ColorChanged](t, r.recorder)
			if got := len(r.violations()) == 0; got != c.ok {
				t.Errorf("violations %v", r.violations())
			}
		})
	}
}

// TestContrastKnownAnswers compares with the ratios of the WCAG's own examples.
func TestContrastKnownAnswers(t *testing.T) {
	white := wire.RGB{255, 255, 255}
	for rgb, want := range map[wire.RGB]float64{
		{0, 0, 0}: 21, {255, 255, 255}: 1, {118, 118, 118}: 4.54, {119, 119, 119}: 4.48, {255, 0, 0}: 4.00, {0, 0, 255}: 8.59,
	} {
		if got := contrast(rgb, white); got < want-0.005 || got > want+0.005 {
			t.Errorf("%v on white: %.3f, want %.2f", rgb, got, want)
		}
	}
}
