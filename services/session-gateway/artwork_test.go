package gateway

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// gallery plays the stream instance that has the images: every id is one of noise, so that
// PNG cannot make it small.
func (r *rig) serveImages() {
	r.t.Helper()
	made := map[string][]byte{}
	var mu sync.Mutex
	stop, err := bus.HandleExclusive(r.bus, subject.Artwork("i1"), func(_ context.Context, q *tuttiv1.ArtworkRequest) (*tuttiv1.ArtworkResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		key := fmt.Sprintf("%s %d %d", q.GetImageId(), q.GetWidth(), q.GetHeight())
		if made[key] == nil {
			made[key] = noisePNG(int(q.GetWidth()), int(q.GetHeight()), q.GetImageId())
		}
		all := made[key]
		end := min(int(q.GetOffset())+100_000, len(all))
		return &tuttiv1.ArtworkResponse{TotalSize: int64(len(all)), Data: all[q.GetOffset():end]}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(stop)
}

// noisePNG is an image whose first pixel names it.
func noisePNG(w, h int, id string) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(1, uint64(id[0])))
	for i := range m.Pix {
		m.Pix[i] = byte(rng.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	m.Pix[0] = id[0]
	var b bytes.Buffer
	_ = png.Encode(&b, m) // never fails
	return b.Bytes()
}

// screen is a strict client with the artwork and color roles, and what it shows.
type screen struct {
	t  *testing.T
	c  *client.Client
	id string

	mu         sync.Mutex
	log        []string
	shown      [wire.MaxArtworkChannels]string
	chunks     int
	late       int
	least      int64 // smallest lead of a chunk, µs
	violations []string
}

// newScreen connects a strict client to url; change may configure it further.
func newScreen(t *testing.T, r *rig, url string, change func(*client.Config)) *screen {
	t.Helper()
	s := &screen{t: t, least: 1 << 60}
	cfg := client.Config{
		Name: "screen", UnpairedAccess: true, Strict: true, Roles: []string{wire.RoleArtworkV1, wire.RoleColorV1},
		Artwork: []wire.ArtworkChannel{pngChannel("album", 40)},
		OnEvent: s.event,
		OnChunk: func(k client.Chunk) {
			lead := k.Timestamp - r.house.NowMicros()
			s.mu.Lock()
			defer s.mu.Unlock()
			s.chunks++
			s.least = min(s.least, lead)
			if lead < 0 {
				s.late++
			}
		},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.c, s.id = c, c.ID()
	r.pairing.mu.Lock()
	r.pairing.of[s.id] = &tuttiv1.AdmitResponse{State: approved, AllowedFamilies: []string{"player", "artwork", "color", "metadata"}}
	r.pairing.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Connect(ctx, url) }()
	t.Cleanup(func() { cancel(); <-done })
	r.waitPresence(s.id, func(p *tuttiv1.ClientPresence) string {
		if !p.GetAvailable() || p.GetArtwork() == nil || slices.Contains(cfg.Roles, wire.RolePlayerV1) && p.GetPlayer() == nil {
			return p.String()
		}
		if !c.Stats().Synced {
			return "the clock is not synchronized"
		}
		return ""
	})
	return s
}

func pngChannel(source string, side int) wire.ArtworkChannel {
	return wire.ArtworkChannel{Source: source, Format: wire.ImagePNG, Width: side, Height: side}
}

// event keeps what a person would see.
func (s *screen) event(e client.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := e.(type) {
	case client.Violation:
		s.violations = append(s.violations, e.String())
	case client.ArtworkStarted:
		s.log = append(s.log, fmt.Sprintf("start %d", len(e.Channels)))
	case client.ArtworkEnded:
		s.log = append(s.log, "end")
	case client.ArtworkPending:
		s.log = append(s.log, "pending "+named(e.Image))
	case client.ArtworkChanged:
		s.shown[e.Channel] = named(e.Image)
		s.log = append(s.log, fmt.Sprintf("show %d %s", e.Channel, named(e.Image)))
	case client.ColorChanged:
		if e.Color != nil && e.Color.Primary != nil {
			s.log = append(s.log, fmt.Sprintf("color %v", *e.Color.Primary))
		}
	}
}

// named is an image's name, in its first pixel, and its width.
func named(m *client.Image) string {
	switch {
	case m == nil:
		return "nothing"
	case len(m.Data) == 0:
		return "clear"
	}
	p, err := png.Decode(bytes.NewReader(m.Data))
	if err != nil {
		return err.Error()
	}
	r, _, _, _ := p.At(0, 0).RGBA()
	return fmt.Sprintf("%c%d", rune(r>>8), p.Bounds().Dx())
}

// waitFor waits for a line of the log.
func (s *screen) waitFor(line string) {
	s.t.Helper()
	eventually(s.t, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		if slices.Contains(s.log, line) {
			return ""
		}
		return fmt.Sprintf("no %q in %q; violations %v", line, s.log, s.violations)
	})
}

func (s *screen) clean() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.violations {
		s.t.Errorf("violation: %s", v)
	}
}

// pic is a picture of the rig's stream instance.
func pic(id string, at int64) *tuttiv1.Picture {
	return &tuttiv1.Picture{ImageId: id, AtUs: at, InstanceId: "i1"}
}

func showCmd(group string, album ...*tuttiv1.Picture) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_Artwork{
		Artwork: &tuttiv1.ArtworkShow{Active: true, Album: album, Artist: []*tuttiv1.Picture{pic("p", 1)}}}}
}

func TestArtworkFromStartToEnd(t *testing.T) {
	r := newRig(t)
	r.serveImages()
	s := newScreen(t, r, r.url(), nil)
	now := r.house.NowMicros()
	r.mustCommand(s.id, groupCmd("g", "playing"))
	// A late joiner: the current image first, then the scheduled one.
	r.mustCommand(s.id, showCmd("g", pic("a", now-5_000_000), pic("b", now+6_000_000)))
	s.waitFor("show 0 a40")
	s.waitFor("pending b40")
	s.waitFor("show 0 b40")
	if r.house.NowMicros() < now+5_900_000 {
		t.Error("the scheduled image is shown before its time")
	}
	// A change of the queue cancels what was scheduled.
	r.mustCommand(s.id, showCmd("g", pic("b", now), pic("c", r.house.NowMicros()+15_000_000)))
	s.waitFor("pending c40")
	r.mustCommand(s.id, showCmd("g", pic("b", now)))
	s.waitFor("pending nothing")
	// The display changes its channels: only what changed is sent.
	if err := s.c.SetArtwork([]wire.ArtworkChannel{pngChannel("album", 40), pngChannel("artist", 24), {Source: "none"}, pngChannel("album", 16)}); err != nil {
		t.Fatal(err)
	}
	s.waitFor("show 1 p24")
	s.waitFor("show 3 b16")
	if err := s.c.SetArtwork([]wire.ArtworkChannel{{Source: "none"}, pngChannel("artist", 24)}); err != nil {
		t.Fatal(err)
	}
	s.waitFor("show 0 nothing")
	s.waitFor("show 3 nothing")
	r.mustCommand(s.id, &tuttiv1.SessionCommand{GroupId: "g", Command: &tuttiv1.SessionCommand_Artwork{Artwork: &tuttiv1.ArtworkShow{}}})
	s.waitFor("end")
	r.waitPresence(s.id, func(p *tuttiv1.ClientPresence) string {
		if p.GetDisplay().GetArtwork() {
			return "the stream is still active: " + p.String()
		}
		return ""
	})
	s.mu.Lock()
	if got := strings.Join(s.log, ", "); strings.Count(got, "show 0 b40") != 1 || strings.Count(got, "show 1 p24") != 1 {
		t.Errorf("an image is sent again for a channel that did not change: %s", got)
	}
	s.mu.Unlock()
	s.clean()
}

func TestTooManyChannelsCloseTheSession(t *testing.T) {
	r := newRig(t)
	d := newDevice(r, func(d *device) { d.hello.SupportedRoles = []string{"artwork@v1"}; d.hello.Player = nil })
	r.pairing.mu.Lock()
	r.pairing.of[d.id()] = &tuttiv1.AdmitResponse{State: approved, AllowedFamilies: []string{"artwork"}}
	r.pairing.mu.Unlock()
	d.join(r)
	none := `{"source":"none"}`
	body := `{"type":"client/state","payload":{"available":true,"artwork":{"channels":[` + strings.Repeat(none+",", 4) + none + `]}}}`
	// The gateway may close before the write has returned, so its error shows nothing;
	// that the message arrived is what the presence says.
	if err := d.conn.WriteJSON(t.Context(), []byte(body)); err != nil {
		t.Log(err)
	}
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() || !strings.Contains(p.GetLastError(), "protocol_error") {
			return p.String()
		}
		return ""
	})
}

func TestColorsAreScheduledAndReplaced(t *testing.T) {
	r := newRig(t)
	s := newScreen(t, r, r.url(), nil)
	colorCmd := func(at int64, primary uint32) *tuttiv1.SessionCommand {
		return &tuttiv1.SessionCommand{GroupId: "g", Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
			Color: &tuttiv1.ColorState{TimestampUs: at, Primary: &primary}}}}
	}
	now := r.house.NowMicros()
	r.mustCommand(s.id, colorCmd(now, 0x010203))
	r.mustCommand(s.id, colorCmd(now+4_000_000, 0x040506))
	r.mustCommand(s.id, colorCmd(now+5_000_000, 0x070809)) // replaces the one before
	s.waitFor("color [1 2 3]")
	s.waitFor("color [7 8 9]")
	if r.house.NowMicros() < now+4_900_000 {
		t.Error("a scheduled color is shown before its time")
	}
	s.mu.Lock()
	if slices.Contains(s.log, "color [4 5 6]") {
		t.Error("a replaced color is shown")
	}
	s.mu.Unlock()
	s.clean()
}

// slowLink is a TCP proxy to addr whose way to the client takes bytesPerSecond. What is
// written faster waits in the buffers of the kernel, as in a real network.
func slowLink(t *testing.T, addr string, bytesPerSecond int) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				_ = near.Close()
				return
			}
			stop := context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
			wg.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
			wg.Go(func() { defer stop(); throttle(ctx, near, far, bytesPerSecond); _ = near.Close() })
		}
	})
	return "ws://" + l.Addr().String() + "/sendspin"
}

// throttle copies at a rate. What it is late by because the machine was busy it may catch up
// on, as a link that carried on meanwhile; time in which there was nothing to carry is lost.
func throttle(ctx context.Context, to io.Writer, from io.Reader, bytesPerSecond int) {
	const catchUp = time.Second // what is behind by more is not a link of this rate any more
	buf := make([]byte, 512)
	start, sent := time.Now(), 0
	for {
		free := start.Add(time.Duration(sent) * time.Second / time.Duration(bytesPerSecond))
		if asked := time.Now(); free.Before(asked) {
			if asked.Sub(free) > catchUp {
				start, sent = asked.Add(-catchUp), 0
			}
			free = asked
		}
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if idle := time.Since(free); idle > 0 {
			start = start.Add(idle)
		}
		if wait := time.Until(start.Add(time.Duration(sent) * time.Second / time.Duration(bytesPerSecond))); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
		sent += n
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestArtworkNeverDelaysAudio: over a link of 40 kB/s, a player that shows covers of half
// a megabyte gets every chunk in time, as one does that shows none.
func TestArtworkNeverDelaysAudio(t *testing.T) {
	const link = 40_000
	chunks := 90
	r := newRig(t)
	r.serveImages()
	connect := func() *screen {
		return newScreen(t, r, slowLink(t, r.svc.Addr(), link), func(c *client.Config) {
			c.Roles = append(c.Roles, wire.RolePlayerV1)
			c.Artwork = []wire.ArtworkChannel{pngChannel("album", 410)} // 500 kB
			c.Formats = []wire.AudioFormat{{Codec: "pcm", Channels: 1, SampleRate: rate, BitDepth: 16}}
			c.BufferCapacity, c.RequiredLeadMS, c.MinBufferMS = 40*(chunkLen+wire.AudioHeaderLen), 300, 200
		})
	}
	with, without := connect(), connect()
	begin := r.house.NowMicros() + 4_000_000
	rec := r.recorder("g", "a", 1, begin)
	rec.write(30)
	for _, s := range []*screen{with, without} {
		r.mustCommand(s.id, groupCmd("g", "playing"))
		r.mustCommand(s.id, startCmd("g", "a", 1, begin))
	}
	r.mustCommand(with.id, showCmd("g", pic("a", 1), pic("b", begin+10_000_000)))
	rec.write(chunks - 30)
	// The music goes on for as long as it takes until artwork has gone beside it.
	eventually(t, func() string {
		with.mu.Lock()
		got := with.chunks
		with.mu.Unlock()
		sent := metricValue(t, r, "tutti_gateway_artwork_bytes_total")
		if sent < 50_000 && got > chunks-30 {
			rec.write(10)
			chunks += 10
		}
		if sent < 50_000 {
			return fmt.Sprintf("%v bytes of artwork beside %d of %d chunks", sent, got, chunks)
		}
		return ""
	})
	for name, s := range map[string]*screen{"with artwork": with, "without": without} {
		eventually(t, func() string {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.chunks < chunks {
				return fmt.Sprintf("%s: %d of %d chunks, smallest lead %d µs", name, s.chunks, chunks, s.least)
			}
			return ""
		})
	}
	with.mu.Lock()
	late, least, withChunks := with.late, with.least, with.chunks
	with.mu.Unlock()
	without.mu.Lock()
	t.Logf("smallest lead %d µs with artwork, %d µs without", least, without.least)
	if late > without.late || withChunks != chunks {
		t.Errorf("%d chunks of %d are late with artwork, %d without", late, withChunks, without.late)
	}
	without.mu.Unlock()
	if sent := metricValue(t, r, "tutti_gateway_artwork_bytes_total"); sent < 50_000 {
		t.Errorf("%v bytes of artwork were sent meanwhile: the test shows nothing", sent)
	}
	if late := metricValue(t, r, "tutti_gateway_chunks_late_total"); late != 0 {
		t.Errorf("%v chunks were skipped", late)
	}
	with.clean()
	without.clean()
}

// metricValue is the value of a counter without labels.
func metricValue(t *testing.T, r *rig, name string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}
