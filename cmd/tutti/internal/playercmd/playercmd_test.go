package playercmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
	"github.com/tutti-audio/tutti/platform/nettest"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// command is the command at work, and the events that it prints.
type command struct {
	t      *testing.T
	events chan map[string]any
	stop   context.CancelFunc
	done   chan error
}

// start runs the command with --json.
func start(t *testing.T, args ...string) *command {
	t.Helper()
	return startWith(t, strings.NewReader(""), args...)
}

// startWith runs it with something on stdin.
func startWith(t *testing.T, stdin io.Reader, args ...string) *command {
	t.Helper()
	return startCommand(t, New(), stdin, args...)
}

func startCommand(t *testing.T, c *cobra.Command, stdin io.Reader, args ...string) *command {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	p := &command{t: t, events: make(chan map[string]any, 1000), stop: cancel, done: make(chan error, 1)}
	c.SetArgs(append([]string{"--json", "--identity", filepath.Join(t.TempDir(), "id.json"), "--name", "Test room"}, args...))
	c.SetIn(stdin)
	c.SetOut(w)
	c.SilenceErrors, c.SilenceUsage = true, true
	go func() {
		err := c.ExecuteContext(ctx)
		_ = w.Close()
		p.done <- err
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.events)
		for s := bufio.NewScanner(r); s.Scan(); {
			var e map[string]any
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				t.Errorf("stdout has a line that is no JSON: %s", s.Text())
			}
			p.events <- e
		}
	}()
	t.Cleanup(func() { cancel(); <-read })
	return p
}

// wait returns the next event of that name; others before it are skipped.
func (p *command) wait(name string) map[string]any {
	p.t.Helper()
	var seen []string
	for deadline := time.After(time.Minute); ; {
		select {
		case e, ok := <-p.events:
			if !ok {
				p.t.Fatalf("the player ended before event %q: %v; seen %v", name, <-p.done, seen)
			}
			if e["event"] == name {
				return e
			}
			seen = append(seen, e["event"].(string))
		case <-deadline:
			p.t.Fatalf("no event %q; seen %v", name, seen)
		}
	}
}

// end stops the player and returns what the command returned.
func (p *command) end() error {
	p.stop()
	for range p.events {
	}
	return <-p.done
}

// server is one that waits for the player to dial.
func server(t *testing.T) (url string, accepted chan channel.Transport) {
	accepted = make(chan channel.Transport, 1)
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr, err := channel.Accept(w, r, channel.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		accepted <- tr
		<-ended
	}))
	t.Cleanup(func() { close(ended); s.Close() })
	return "ws" + strings.TrimPrefix(s.URL, "http") + path, accepted
}

func music(frames int, f pcm.Format) []int32 {
	var out []int32
	for i := range frames {
		for c := range f.Channels {
			out = append(out, int32(20000*math.Sin(float64(i)*0.05+float64(c))))
		}
	}
	return out
}

// activate takes a fresh connection as far as an active player.
func activate(srv *sendspintest.Server) *wire.ClientHello {
	hello := srv.Greet()
	srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1, wire.RoleMetadataV1)
	sendspintest.Expect[*wire.ClientState](srv)
	return hello
}

func TestRecordsWhatAServerSendsBitForBit(t *testing.T) {
	url, accepted := server(t)
	file := filepath.Join(t.TempDir(), "room.wav")
	p := start(t, "--connect", url, "--output", "wav:"+file, "--formats", "flac:44100:16:2,pcm:48000:24:2", "--buffer", "100000", "--suite", "aesgcm")
	if e := p.wait("identity"); e["name"] != "Test room" || len(e["client_id"].(string)) != 43 {
		t.Errorf("%v", e)
	}
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	hello := activate(srv)
	if hello.Name != "Test room" || hello.Player.BufferCapacity != 100000 || hello.Player.Formats[0].Codec != "flac" || !hello.UnpairedAccess.Enabled {
		t.Errorf("hello %+v", hello)
	}
	p.wait("connected")
	p.wait("activated")
	p.wait("synced") // what is due before the clock is known is late; on a busy machine that takes seconds
	srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackPlaying, GroupID: "g", GroupName: "Downstairs"})
	srv.Send(&wire.ServerState{Metadata: &wire.Metadata{Timestamp: srv.Now(), Title: "T", Artist: "A"}})

	f := pcm.Format{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}
	enc, err := encode.New(f, 882)
	if err != nil {
		t.Fatal(err)
	}
	want := music(882*20, f)
	var chunks [20][]byte
	for i := range chunks {
		if chunks[i], err = enc.Encode(nil, want[i*1764:(i+1)*1764]); err != nil {
			t.Fatal(err)
		}
	}
	clear(want[10*1764 : 11*1764]) // a chunk that never comes leaves silence
	first := srv.Now() + 3_000_000 // all is sent before that, on a slow machine too
	srv.Send(&wire.StreamStart{ServerTransmitted: srv.Now(), Player: &wire.PlayerStream{
		Format: wire.AudioFormat{Codec: "flac", Channels: 2, SampleRate: 44100, BitDepth: 16}, CodecHeader: enc.Header(),
	}})
	for i, data := range chunks {
		if i != 10 {
			srv.SendAudio(first+f.DurationUS(int64(i)*882), data)
		}
	}
	if e := p.wait("group"); e["group_name"] != "Downstairs" {
		t.Errorf("%v", e)
	}
	if e := p.wait("metadata"); e["title"] != "T" || e["artist"] != "A" {
		t.Errorf("%v", e)
	}
	if e := p.wait("stream_start"); e["codec"] != "flac" || e["sample_rate"] != 44100.0 || e["in_place"] != false {
		t.Errorf("%v", e)
	}
	if e := p.wait("recording"); e["first_timestamp"] != float64(first) || e["file"] != file {
		t.Errorf("%v, want timestamp %d", e, first)
	}
	// What the seconds of statistics say in all.
	var frames, gaps, late float64
	for frames < 19*882 {
		e := p.wait("stats")
		frames, gaps, late = frames+e["frames"].(float64), gaps+e["gaps"].(float64), late+e["late"].(float64)
		if e["chunks"].(float64) > 0 && e["min_lead_us"].(float64) < 50_000 {
			t.Errorf("lead %v us", e["min_lead_us"])
		}
	}
	if frames != 19*882 || gaps != 1 || late != 0 {
		t.Errorf("%v frames, %v gaps, %v late", frames, gaps, late)
	}
	srv.Send(&wire.StreamEnd{})
	p.wait("stream_end")
	if err := p.end(); err != nil {
		t.Fatalf("stopped: %v", err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wav.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]int32, r.Frames()*2)
	if _, err := r.Read(got); err != nil || !slices.Equal(got, want) || r.Format().BitDepth != 16 {
		t.Errorf("recorded %d samples of %v, want %d", len(got), r.Format(), len(want))
	}
}

func TestListensAndSaysGoodbye(t *testing.T) {
	p := start(t, "--listen", "127.0.0.1:0", "--no-mdns", "--output", "null")
	addr := p.wait("listening")["address"].(string)
	tr, err := channel.Dial(t.Context(), "ws://"+addr+path, channel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := sendspintest.NewServer(t, tr, sendspintest.ServerOptions{})
	activate(srv)
	p.wait("synced")
	volume := 30
	srv.Send(&wire.ServerCommand{Player: &wire.PlayerCommand{Command: wire.PlayerVolume, Volume: &volume}})
	e := p.wait("state")
	for e["by_server"] != true { // its own first word on itself may come behind "synced"
		e = p.wait("state")
	}
	if e["volume"] != 30.0 {
		t.Errorf("%v", e)
	}
	p.stop()
	if e := p.wait("goodbye"); e["reason"] != "shutdown" {
		t.Errorf("%v", e)
	}
	p.wait("disconnected")
	if err := p.end(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestTellsThatNoServerAnswers(t *testing.T) {
	p := start(t, "--connect", "ws://"+nettest.FreeAddr(t)+path)
	if e := p.wait("retrying"); !strings.Contains(e["error"].(string), "connection refused") || e["in_ms"] == nil {
		t.Errorf("%v", e)
	}
	p.stop()
	if err := p.end(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

// A person is told once why there is no connection, and again when the reason changes.
func TestTheSameVainAttemptIsOneLine(t *testing.T) {
	var out bytes.Buffer
	r := &textReporter{w: &out}
	for _, step := range []struct{ name, err string }{
		{"retrying", "refused"}, {"retrying", "refused"}, {"retrying", "no route"}, {"connected", ""}, {"retrying", "no route"},
	} {
		if err := r.event(step.name, fields{"error": step.err}); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); strings.Count(got, "refused") != 1 || strings.Count(got, "no route") != 2 {
		t.Errorf("got\n%s", got)
	}
}

func TestUnpairedAccessOffEndsWithAReason(t *testing.T) {
	url, accepted := server(t)
	p := start(t, "--connect", url, "--unpaired-access=false")
	srv := sendspintest.NewServer(t, <-accepted, sendspintest.ServerOptions{})
	srv.Greet()
	srv.Activate([]string{wire.ActivityPlayback}, wire.RolePlayerV1)
	if e := p.wait("goodbye"); e["reason"] != "pairing_required" {
		t.Errorf("%v", e)
	}
	p.wait("disconnected")
	for range p.events { // it ends by itself
	}
	if err := <-p.done; err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), "unpaired access") {
		t.Errorf("got %v", err)
	}
}

func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}

func TestWrongUsageIsTwoAndNamesTheFlag(t *testing.T) {
	for args, want := range map[string]string{
		"--connect a --listen b":                "exclude each other",
		"--connect x:99999":                     "port 99999",
		"--listen x":                            "--listen",
		"--connect http://x":                    "want ws://HOST:PORT/sendspin",
		"--formats pcm:1:16:2":                  "--formats: format \"pcm:1:16:2\": sample rate",
		"--formats opus:48000:0:2":              "no opus decoder",
		"--output mp3":                          "choose null, wav:FILE or alsa",
		"--output wav:":                         "needs a file",
		"--suite x":                             "choose chachapoly or aesgcm",
		"--buffer 1":                            "--buffer 1",
		"--static-code 12":                      "8 digits",
		"--pairing static":                      "--static-code and 8 digits",
		"--pairing none --static-code 12345678": "goes with --pairing static",
		"--pairing psk":                         "choose dynamic, static or none",
		"--name=":                               "--name is empty",
		"--formats=":                            "--formats",
		"--log-level loud --name x":             "loud",
	} {
		c := New()
		c.SetArgs(append(strings.Fields(args), "--identity", filepath.Join(t.TempDir(), "id")))
		c.SetOut(io.Discard)
		c.SilenceErrors, c.SilenceUsage = true, true
		if err := c.ExecuteContext(t.Context()); err == nil || exitCode(err) != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v (status %d), want %q and 2", args, err, exitCode(err), want)
		}
	}
}

func TestFailuresAreOneAndSayTheNextStep(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	id := filepath.Join(t.TempDir(), "id")
	for args, want := range map[string]string{
		"--listen " + busy.Addr().String():      "choose another --listen",
		"--output wav:/nonexistent/dir/x.wav":   "choose a path that can be written",
		"--identity /dev/null/x":                "identity",
		"--listen 127.0.0.1:0 --identity " + id: "",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		c := New()
		list := strings.Fields(args)
		if !strings.Contains(args, "--identity") {
			list = append(list, "--identity", id)
		}
		c.SetArgs(append(list, "--no-mdns"))
		c.SetOut(io.Discard)
		c.SilenceErrors, c.SilenceUsage = true, true
		if want == "" {
			cancel() // asked to stop at once: not a failure
		}
		err := c.ExecuteContext(ctx)
		cancel()
		if want == "" && err != nil || want != "" && (err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}

func TestServerAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"nas": "ws://nas:8927/sendspin", "nas:9000": "ws://nas:9000/sendspin", "ws://nas": "ws://nas:8927/sendspin",
		"ws://10.0.0.1:1/other": "ws://10.0.0.1:1/other", "[::1]:5": "ws://[::1]:5/sendspin",
	} {
		if got, err := serverURL(in); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}

// A seek, or an announcement, says the title again: a person reads it once.
func TestTextTellsATitleOnce(t *testing.T) {
	var b bytes.Buffer
	r := &textReporter{w: &b, width: 100}
	song, end := fields{"title": "Song"}, fields(nil)
	for _, e := range []struct {
		name string
		f    fields
	}{{"metadata", song}, {"metadata", song}, {"metadata", fields{"title": "Next"}}, {"metadata", song}, {"stream_end", end}, {"metadata", song}} {
		if err := r.event(e.name, e.f); err != nil {
			t.Fatal(err)
		}
	}
	if want := "title: Song\ntitle: Next\ntitle: Song\nthe stream ended\ntitle: Song\n"; b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestTextIsForPeopleAndCannotSteerTheTerminal(t *testing.T) {
	var b bytes.Buffer
	r := &textReporter{w: &b, live: true, width: 100}
	for _, e := range []struct {
		name string
		f    fields
	}{
		{"server", fields{"name": "Casa\x1b[2J Verde"}}, {"activated", fields{"roles": []string{}}},
		{"stream_start", fields{"codec": "flac", "sample_rate": 48000, "bit_depth": 24, "channels": 2}}, {"stats", nil},
		{"metadata", fields{"title": "Song"}}, {"disconnected", fields{"error": "gone"}}, {"violation", fields{"rule": "R", "detail": "D"}},
	} {
		if err := r.event(e.name, e.f); err != nil {
			t.Fatal(err)
		}
	}
	r.status(status{server: "Casa", format: "flac", volume: 40, muted: true, title: "Song\r", stats: deck.Stats{BufferedMS: 4900, SyncErrorUS: 300}, stddev: 120})
	r.close()
	want := "connected to Casa [2J Verde\nthe server has not approved this device yet: approve it there (tutti inbox), or pair it (tutti pair)\nplaying flac 48000 Hz, 24 bits, 2 channels\ntitle: Song\nconnection over: gone\nviolation: R D\n" +
		clearLine + "Casa · flac · buffer 4.9 s · sync 0.3 ms · clock ±0.12 ms · volume 40 (muted) · ♪ Song \n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
	if isTerminal(&b) {
		t.Error("a buffer is no terminal")
	}
}
