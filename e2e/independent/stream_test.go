package independent

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// testFormatChange: another preferred format changes the stream in place, on the
// same timeline, with nothing sent twice.
func testFormatChange(t *testing.T, s *harness.Server, music library) {
	d := ready(t, s, options{formats: []obj{format("pcm", 44100, 16), format("flac", 44100, 16), format("pcm", 48000, 24)}, lead: unhurried, minBuf: 1500})
	other := ready(t, s, options{formats: []obj{format("flac", 44100, 16)}, lead: unhurried, minBuf: 1500})
	g := group(t, s, "Formats", d, other)
	play(t, s, g, "long.flac")
	d.awaitAudio(1, 1.5)
	for i, want := range []obj{format("flac", 44100, 16), format("pcm", 48000, 24), nil} {
		mark := d.mark()
		d.state(true, func(p obj) {
			if p["format"] = want; want == nil {
				delete(p, "format")
			}
		})
		if want == nil {
			want = d.o.formats[0]
		}
		m, mark := d.await(fmt.Sprint("in-place stream/start to ", want), mark, isType("stream/start"))
		if f := sub(m.payload, "player"); f["codec"] != want["codec"] || num(f["sample_rate"]) != int64(want["sample_rate"].(int)) {
			t.Fatalf("%s, want %v", m, want)
		}
		for range 8 {
			var c msg
			c, mark = d.await("audio in the new format", mark, isAudio)
			if c.chunk.inPlace != i+1 {
				t.Fatalf("chunk of configuration %d, want %d", c.chunk.inPlace, i+1)
			}
		}
	}
	// The same preference again, and one that is not listed, change nothing.
	mark := d.mark()
	d.state(true, func(p obj) { p["format"] = d.o.formats[0] })
	d.state(true, func(p obj) { p["format"] = format("pcm", 96000, 16) })
	d.sync(2)
	for range 10 {
		_, mark = d.await("audio", mark, isAudio)
	}
	d.state(true, func(p obj) { delete(p, "format") })
	s.Must(t, "POST", "/api/v1/groups/"+g+"/stop", obj{}, nil)
	d.await("stream/end", 0, isType("stream/end"))
	starts := 0
	for _, m := range d.since(0) {
		if m.typ == "stream/start" {
			starts++
		}
		if m.typ == "stream/clear" {
			t.Errorf("%s for a format change", m)
		}
	}
	if starts != 4 {
		t.Errorf("%d stream/start, want the first and three changes", starts)
	}
	chunks := d.chunks(1)
	continuous(t, "format changes", chunks)
	sane(t, "format changes", chunks)
	continuous(t, "the other player", other.chunks(1))
	// What is not resampled is still the file, at its place.
	placed(t, "format changes", slices.DeleteFunc(chunks, func(c *chunk) bool { return c.rate != 44100 }), music.files["long.flac"], chunks[0].ts)
}

// testSmallBuffers: buffer_capacity is never exceeded, whatever output_delay_ms
// does, and a joiner gets future audio of the same timeline.
func testSmallBuffers(t *testing.T, s *harness.Server, music library) {
	small := ready(t, s, options{name: "small PCM", buffer: 40_000, minBuf: 2000, lead: 500})
	flac := ready(t, s, options{name: "small FLAC", buffer: 30_000, formats: []obj{format("flac", 44100, 16)}, delay: 400})
	g := group(t, s, "Small", small, flac)
	play(t, s, g, "long.flac")
	small.awaitAudio(1, 1)
	for _, delay := range []int{500, 0, 5000, 100} {
		small.state(true, func(p obj) { p["output_delay_ms"] = delay })
		small.sync(3)
		mark := small.mark()
		for range 5 {
			_, mark = small.await(fmt.Sprintf("audio with a delay of %d ms", delay), mark, isAudio)
		}
	}
	flac.awaitAudio(1, 4)

	late := ready(t, s, options{})
	s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+late.id, nil, nil)
	joined := late.awaitNow(1)
	sane(t, "late joiner", joined)
	continuous(t, "late joiner", joined)
	t0 := flac.chunks(1)[0].ts
	placed(t, "late joiner", joined, music.files["long.flac"], t0)
	for _, d := range []*device{small, flac} {
		onward(t, d.o.name, d.chunks(1))
		placed(t, d.o.name, d.chunks(1), music.files["long.flac"], t0)
	}
	for _, d := range []*device{small, flac} {
		if n := d.epoch(); n != 1 {
			t.Errorf("%s noticed the joiner: %d starts", d.o.name, n)
		}
	}
}

// testOddPlayers: a server serves every player that lists flac or pcm.
func testOddPlayers(t *testing.T, s *harness.Server, _ library) {
	mono := func(codec string, rate, bits int) obj {
		return obj{"codec": codec, "channels": 1, "sample_rate": rate, "bit_depth": bits}
	}
	devices := []*device{
		ready(t, s, options{name: "16 kHz mono", formats: []obj{mono("pcm", 16000, 16)}}),
		ready(t, s, options{name: "24-bit mono", formats: []obj{mono("flac", 44100, 24)}, suite: suiteAES}),
		ready(t, s, options{name: "96 kHz", formats: []obj{{"codec": "opus", "channels": 2, "sample_rate": 48000, "bit_depth": 0}, format("flac", 96000, 24)}}),
		ready(t, s, options{name: "roles of tomorrow", roles: []string{"player@v2", "_x_y@v1", "player@v1", "future@v3", "metadata@v9", "color@v7"}}),
	}
	g := group(t, s, "Odd", devices...)
	play(t, s, g, "long.flac")
	for _, d := range devices {
		chunks := d.awaitAudio(1, 1)
		continuous(t, d.o.name, chunks)
		sane(t, d.o.name, chunks)
	}
}

// testSupportObject: player@v1 without its support object is not activated, the
// other roles are.
func testSupportObject(t *testing.T, s *harness.Server) {
	d := handshake(t, s.Sendspin, options{})
	d.await("server/hello", 0, isType("server/hello"))
	hello := d.o.hello()
	delete(hello, "player@v1_support")
	d.send("client/hello", hello)
	d.await("server/activate", 0, isType("server/activate"))
	d.approve(s)
	d.await("metadata", 0, func(m msg) bool { return sub(m.payload, "metadata") != nil })
	for _, m := range d.since(0) {
		if l, _ := m.payload["active_roles"].([]any); slices.Contains(l, any("player@v1")) {
			t.Errorf("%s without player@v1_support", m)
		}
	}
}

// testLeads: the lead that a player asks for holds for starts, for restarts with
// what it reported since, and for who joins late. The referee measures each.
func testLeads(t *testing.T, s *harness.Server, _ library) {
	d := ready(t, s, options{lead: 700, minBuf: 300, delay: 200})
	g := group(t, s, "Leads", d)
	play(t, s, g, "long.flac")
	d.awaitAudio(1, 0.5)
	d.state(true, func(p obj) { p["required_lead_time_ms"], p["min_buffer_ms"], p["output_delay_ms"] = 1500, 900, 1000 })
	d.sync(3)
	d.heardLead(s, 1500)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/seek", obj{"position_ms": 10_000}, nil)
	d.awaitAudio(2, 0.5)
	late := ready(t, s, options{lead: 2500, minBuf: 1000, delay: 800})
	s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+late.id, nil, nil)
	continuous(t, "late", late.awaitAudio(1, 0.5))
	continuous(t, "first", d.awaitAudio(2, 2))
	if d.epoch() != 2 {
		t.Error("the joiner restarted the others")
	}
	d.unhinted()
	late.unhinted()
}

// heardLead waits until the server shows a lead that the player has reported.
func (d *device) heardLead(s *harness.Server, ms int) {
	d.t.Helper()
	harness.Eventually(d.t, patience, d.o.name+": the API has the new values", func() string {
		var c struct {
			Player struct {
				Lead int `json:"required_lead_time_ms"`
			}
		}
		if s.Must(d.t, "GET", "/api/v1/clients/"+d.id, nil, &c); c.Player.Lead != ms {
			return fmt.Sprint("still ", c.Player.Lead)
		}
		return ""
	})
}
