package independent

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// library is the music of the tests: 44.1 kHz/16-bit.
type library struct {
	dir   string
	files map[string][]int32 // interleaved samples
}

func makeMusic(t *testing.T, dir string) library {
	l := library{dir, map[string][]int32{}}
	for i, m := range []struct {
		name    string
		seconds float64
	}{{"long.flac", 60}, {"short.flac", 2.3}, {"next.flac", 1.7}} {
		l.files[m.name] = harness.MusicFile(t, dir, m.name, m.seconds, int64(i+1))
	}
	return l
}

// group puts devices into a new group and returns its id.
func group(t testing.TB, s *harness.Server, name string, devices ...*device) string {
	t.Helper()
	ids := []string{}
	for _, d := range devices {
		ids = append(ids, d.id)
	}
	var g harness.Group
	s.Must(t, "POST", "/api/v1/groups", obj{"name": name, "members": ids}, &g)
	for _, d := range devices {
		d.await("group/update for "+name, 0, func(m msg) bool {
			return m.typ == "group/update" && m.payload["group_id"] == g.GroupID && m.payload["group_name"] == name
		})
	}
	return g.GroupID
}

func play(t testing.TB, s *harness.Server, group, uri string) {
	t.Helper()
	s.Must(t, "POST", "/api/v1/groups/"+group+"/play", obj{"uri": uri}, nil)
}

// chunks of one trigger (stream/start from empty or stream/clear).
func (d *device) chunks(epoch int) []*chunk {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*chunk
	for _, c := range d.ref.chunks {
		if c.epoch == epoch {
			out = append(out, c)
		}
	}
	return out
}

func (d *device) epoch() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ref.epoch
}

// awaitAudio waits until seconds of audio came in this epoch.
func (d *device) awaitAudio(epoch int, seconds float64) []*chunk {
	d.t.Helper()
	harness.Eventually(d.t, 2*patience, fmt.Sprintf("%s: %.1f s of audio in epoch %d", d.o.name, seconds, epoch), func() string {
		have := 0.0
		for _, c := range d.chunks(epoch) {
			have += float64(c.frames) / float64(c.rate)
		}
		if have < seconds {
			return fmt.Sprintf("%.2f s so far, closed: %v; %s", have, d.closedNow(), d.tail())
		}
		return ""
	})
	return d.chunks(epoch)
}

// awaitNow is awaitAudio for whatever beginning is the last, since a server that
// is starved may have to begin anew.
func (d *device) awaitNow(seconds float64) []*chunk {
	d.t.Helper()
	var chunks []*chunk
	harness.Eventually(d.t, 2*patience, fmt.Sprintf("%s: %.1f s of audio", d.o.name, seconds), func() string {
		have := 0.0
		chunks = d.chunks(d.epoch())
		for _, c := range chunks {
			have += float64(c.frames) / float64(c.rate)
		}
		if have < seconds {
			return fmt.Sprintf("%.2f s so far, closed: %v; %s", have, d.closedNow(), d.tail())
		}
		return ""
	})
	return chunks
}

// continuous checks that chunks join within a µs of exact arithmetic, and that
// none was sent too late.
func continuous(t testing.TB, name string, chunks []*chunk) {
	t.Helper()
	for i, c := range chunks {
		if abs(c.gap) > 1 {
			t.Errorf("%s: chunk %d of %d at %d is %d µs off", name, i, len(chunks), c.ts, c.gap)
			return
		}
		if _, ok := c.sentAt(); !ok {
			t.Errorf("%s: chunk %d of %d was sent too late: send_ahead %d", name, i, len(chunks), c.ahead)
		}
	}
}

// onward checks that nothing is sent twice. That is all that can be asked where a
// small buffer leaves a busy machine no time: what is too late is skipped.
func onward(t testing.TB, name string, chunks []*chunk) {
	t.Helper()
	for i, c := range chunks {
		if c.gap < -1 {
			t.Errorf("%s: chunk %d of %d at %d was sent before: %d µs", name, i, len(chunks), c.ts, c.gap)
			return
		}
	}
}

// sane checks what a chunk must be and should be: 15 to 150 ms.
func sane(t testing.TB, name string, chunks []*chunk) {
	t.Helper()
	for i, c := range chunks {
		us := c.frames * 1_000_000 / c.rate
		last := i == len(chunks)-1 || chunks[i+1].inPlace != c.inPlace
		if us > 150_000 || us < 15_000 && !last {
			t.Errorf("%s: chunk %d of %d lasts %d µs", name, i, len(chunks), us)
		}
	}
}

// placed checks that each chunk is what the file, begun at t0, has at its time.
func placed(t testing.TB, name string, chunks []*chunk, file []int32, t0 int64) {
	t.Helper()
	for i, c := range chunks {
		at := int((c.ts - t0) * c.rate / 1_000_000)
		window := file[min(2*max(at-2, 0), len(file)):min(2*(at+int(c.frames)+3), len(file))]
		if position(window, c.samples, int(c.frames)) < 0 {
			t.Errorf("%s: chunk %d of %d is not the file at frame %d", name, i, len(chunks), at)
			return
		}
	}
}

func samplesOf(chunks []*chunk) (out []int32) {
	for _, c := range chunks {
		out = append(out, c.samples...)
	}
	return out
}

// position finds the frame of file where samples begin, exactly; -1 if nowhere.
func position(file, samples []int32, frames int) int {
	n := min(len(samples), 2*frames)
	for i := 0; i+n <= len(file); i += 2 {
		if file[i] == samples[0] && slices.Equal(file[i:i+n], samples[:n]) {
			return i / 2
		}
	}
	return -1
}

// exact checks that chunks are the file from frame on.
func exact(t testing.TB, name string, chunks []*chunk, file []int32, frame int) {
	t.Helper()
	got := samplesOf(chunks)
	want := file[min(2*frame, len(file)):]
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: sample %d is %d, the file from frame %d has %d", name, i, got[i], frame, want[i])
			return
		}
	}
}

// testGroupPlays: four unlike players play one file to its end: bit-exact where
// nothing is converted, aligned, within their buffers, and stream/end does not cut.
func testGroupPlays(t *testing.T, s *harness.Server, music library) {
	file := music.files["short.flac"]
	plain := ready(t, s, options{name: "plain", lead: 300, minBuf: 600})
	flac := ready(t, s, options{name: "flac", suite: suiteAES, formats: []obj{format("flac", 44100, 16), format("pcm", 44100, 16)}})
	small := ready(t, s, options{name: "small", buffer: 40_000, delay: 150})
	fine := ready(t, s, options{name: "fine", formats: []obj{format("opus", 48000, 16), format("pcm", 48000, 24)}, lead: 1200})
	all := []*device{plain, flac, small, fine}
	g := group(t, s, "Unlike", all...)
	play(t, s, g, "short.flac")
	for _, d := range all {
		end, _ := d.await("stream/end", 0, isType("stream/end"))
		d.sync(3)
		// A server that is starved may have to begin anew: the last beginning counts.
		chunks := d.chunks(d.epoch())
		sane(t, d.o.name, chunks)
		onward(t, d.o.name, chunks)
		d.unhinted()
		last := chunks[len(chunks)-1]
		if at := end.at + d.ref.best.offset + d.ref.best.maxErr; at < last.end()-int64(d.o.delay)*1000 {
			t.Errorf("%s: stream/end comes %d µs before its audio has played", d.o.name, last.end()-at)
		}
		first := plain.chunks(plain.epoch())[0]
		if chunks[0].ts != first.ts {
			t.Errorf("%s begins at %d, another at %d", d.o.name, chunks[0].ts, first.ts)
		}
		from := max(position(file, first.samples, 2000), 0)
		d.await("activities without playback", 0, func(m msg) bool {
			l, _ := m.payload["activities"].([]any)
			return m.typ == "server/activate" && m.at >= end.at && !slices.Contains(l, any("playback"))
		})
		d.await("group/update stopped", 0, func(m msg) bool {
			return m.typ == "group/update" && m.at > chunks[0].at && m.payload["playback_state"] == "stopped"
		})
		switch d {
		case plain, flac:
			continuous(t, d.o.name, chunks)
			exact(t, d.o.name, chunks, file, from)
			if got := len(samplesOf(chunks)); got != len(file)-2*from {
				t.Errorf("%s: %d samples from frame %d, the file has %d", d.o.name, got, from, len(file))
			}
		case small:
			placed(t, d.o.name, chunks, file[2*from:], chunks[0].ts)
		case fine:
			continuous(t, d.o.name, chunks)
			if lag := harness.BestLag(file[2*from:], 44100, scaled(chunks), 48000); lag < -1 || lag > 1 {
				t.Errorf("the resampled player is %d samples off", lag)
			}
		}
	}
	judgeActivities(t, all)
}

// scaled brings 24-bit samples to 16 bits.
func scaled(chunks []*chunk) []int32 {
	out := samplesOf(chunks)
	for i := range out {
		out[i] >>= 8
	}
	return out
}

// judgeActivities: playback is declared while a stream runs.
func judgeActivities(t testing.TB, devices []*device) {
	t.Helper()
	for _, d := range devices {
		playback := false
		for _, m := range d.since(0) {
			if m.typ == "server/activate" {
				playback = slices.Contains(m.payload["activities"].([]any), any("playback"))
			}
			if m.chunk != nil && !playback {
				t.Errorf("%s: audio while 'playback' is not declared", d.o.name)
				break
			}
		}
	}
}

// testTransitions: a queue is one stream; its titles join without a gap and
// without a stream command, and metadata says so at the audible moment.
func testTransitions(t *testing.T, s *harness.Server, music library) {
	d := ready(t, s, options{})
	g := group(t, s, "Gapless", d)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/queue", obj{"uris": []string{"short.flac", "next.flac"}}, nil)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", obj{}, nil)
	d.await("stream/end", 0, isType("stream/end"))
	chunks := d.chunks(d.epoch())
	continuous(t, "queue", chunks)
	first, whole := music.files["short.flac"], slices.Concat(music.files["short.flac"], music.files["next.flac"])
	from := position(whole, chunks[0].samples, 2000)
	if from < 0 || 2*from >= len(first) {
		t.Fatalf("the last stream/clear or stream/start is at frame %d, not within the first title", from)
	}
	exact(t, "queue", chunks, whole, from)
	begin := chunks[0].ts - int64(from)*1_000_000/44100
	titles := 0
	for _, m := range d.since(0) {
		md := sub(m.payload, "metadata")
		p := sub(md, "progress")
		if m.typ != "server/state" || p == nil || num(p["playback_speed"]) == 0 || num(md["timestamp"]) < chunks[0].ts-50_000 {
			continue
		}
		heard := begin
		if num(p["track_duration"]) < 2000 {
			heard = begin + int64(len(first)/2)*1_000_000/44100
			titles++
		}
		if off := num(md["timestamp"]) - num(p["track_progress"])*1000 - heard; abs(off) > 5_000 {
			t.Errorf("%s puts the track's start %d µs from where it is heard", m, off)
		}
	}
	if titles == 0 {
		t.Errorf("no metadata for the second title; %s", d.tail())
	}
}

// testSeeking: seek and next clear, pause ends, play goes on
// where it stopped; metadata and audio agree throughout.
func testSeeking(t *testing.T, s *harness.Server, music library) {
	file := music.files["long.flac"]
	d := ready(t, s, options{lead: unhurried, minBuf: 1500})
	g := group(t, s, "Seeking", d)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/queue", obj{"uris": []string{"long.flac", "next.flac", "long.flac"}}, nil)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", obj{}, nil)
	d.awaitAudio(1, 2)
	d.offers("seek", "seek_relative", "pause", "next")

	mark := d.mark()
	d.command("seek", "position_ms", 20_000)
	d.await("stream/clear", mark, isType("stream/clear"))
	chunks := d.awaitNow(1)
	d.progress(mark, chunks, file, 20_000, 0)

	// Positions out of range and commands that are not offered are ignored.
	mark = d.mark()
	for _, p := range []any{-1, 60_001, 1 << 60} {
		d.command("seek", "position_ms", p)
	}
	d.command("fly")
	d.command("previous_", "volume", 5)
	d.sync(2)
	d.quiet(s, g, mark, "stream/clear", "stream/end", "stream/start")

	// Relative ones are clamped: to the beginning here.
	mark = d.mark()
	d.command("seek_relative", "offset_ms", -3_600_000)
	d.await("stream/clear", mark, isType("stream/clear"))
	chunks = d.awaitNow(1)
	d.progress(mark, chunks, file, 0, 0)
	// From what is heard when the command is carried out: between its sending and its effect.
	begin := chunks[0].ts
	mark, sent := d.mark(), d.serverNow()
	d.command("seek_relative", "offset_ms", 10_000)
	d.await("stream/clear", mark, isType("stream/clear"))
	least, most := max(sent-begin, 0)/1000, max(d.serverNow()-begin, 0)/1000
	d.progress(mark, d.awaitNow(1), file, 10_000+(least+most)/2, (most-least)/2+50)

	mark = d.mark()
	d.command("pause")
	d.await("stream/end", mark, isType("stream/end"))
	m, _ := d.await("metadata of the pause", mark, func(m msg) bool {
		p := sub(sub(m.payload, "metadata"), "progress")
		return p != nil && num(p["playback_speed"]) == 0
	})
	paused := num(sub(sub(m.payload, "metadata"), "progress")["track_progress"])
	d.await("group/update stopped", mark, func(m msg) bool { return m.typ == "group/update" && m.payload["playback_state"] == "stopped" })
	mark = d.mark()
	d.command("play")
	d.await("stream/start", mark, isType("stream/start"))
	d.progress(mark, d.awaitNow(1), file, paused, 50)

	mark = d.mark()
	d.command("next")
	d.await("stream/clear", mark, isType("stream/clear"))
	exact(t, "next", d.awaitNow(1), music.files["next.flac"], 0)
	d.quiet(s, g, mark, "stream/end", "stream/start")

	mark = d.mark()
	d.command("stop")
	d.await("stream/end", mark, isType("stream/end"))
	d.await("metadata of the stop", mark, func(m msg) bool {
		p := sub(sub(m.payload, "metadata"), "progress")
		return p != nil && num(p["playback_speed"]) == 0 && num(p["track_progress"]) == 0
	})
	d.unhinted()
	for e := range d.epoch() {
		continuous(t, fmt.Sprint("epoch ", e+1), d.chunks(e+1))
		sane(t, fmt.Sprint("epoch ", e+1), d.chunks(e+1))
	}
	judgeActivities(t, []*device{d})
}

// offers waits until the controller state lists commands.
func (d *device) offers(commands ...string) {
	d.t.Helper()
	d.await(fmt.Sprint("controller commands ", commands), 0, func(m msg) bool {
		l, _ := sub(m.payload, "controller")["supported_commands"].([]any)
		return l != nil && !slices.ContainsFunc(commands, func(c string) bool { return !slices.Contains(l, any(c)) })
	})
}

// quiet fails when one of the types came since mark. Commands go through the
// group, so that an answer of the API for the same group is the proof that they
// were handled.
func (d *device) quiet(s *harness.Server, group string, mark int, types ...string) {
	d.t.Helper()
	s.Must(d.t, "POST", "/api/v1/groups/"+group+"/repeat", obj{"mode": "one"}, nil)
	d.await("repeat one", mark, func(m msg) bool { return sub(m.payload, "controller")["repeat"] == "one" })
	s.Must(d.t, "POST", "/api/v1/groups/"+group+"/repeat", obj{"mode": "off"}, nil)
	_, end := d.await("repeat off", mark, func(m msg) bool { return sub(m.payload, "controller")["repeat"] == "off" })
	for _, m := range d.since(mark)[:end-mark] {
		if slices.Contains(types, m.typ) {
			d.t.Errorf("unexpected %s", m)
		}
	}
}

// progress checks that the audio after a trigger begins at wantMS (within slack)
// of the file, and that the metadata after mark says what is heard when.
func (d *device) progress(mark int, chunks []*chunk, file []int32, wantMS, slackMS int64) {
	d.t.Helper()
	at := position(file, samplesOf(chunks), 2000)
	if at < 0 {
		d.t.Errorf("the audio is nowhere in the file")
		return
	}
	if ms := int64(at) * 1000 / 44100; abs(ms-wantMS) > slackMS+1 {
		d.t.Errorf("the audio begins at %d ms of the file, want %d", ms, wantMS)
	}
	exact(d.t, "after the trigger", chunks, file, at)
	m, _ := d.await("metadata with progress", mark, func(m msg) bool {
		p := sub(sub(m.payload, "metadata"), "progress")
		return p != nil && num(p["playback_speed"]) == 1000 && num(sub(m.payload, "metadata")["timestamp"]) >= chunks[0].ts-50_000
	})
	md := sub(m.payload, "metadata")
	origin := num(md["timestamp"]) - num(sub(md, "progress")["track_progress"])*1000
	if off := origin - (chunks[0].ts - int64(at)*1_000_000/44100); abs(off) > 5_000 {
		d.t.Errorf("%s is %d µs from what is heard", m, off)
	}
}
