package independent

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// testMonkey lets three devices and an operator do what they like, in an order
// that nobody thought of; the referees watch.
func testMonkey(t *testing.T, s *harness.Server, _ library) { monkey(t, s, 1, 120) }

func monkey(t *testing.T, s *harness.Server, seed uint64, steps int) {
	r := rand.New(rand.NewPCG(seed, 2))
	formats := []obj{format("pcm", 44100, 16), format("flac", 44100, 16), format("pcm", 48000, 24)}
	var devices []*device
	for i := range 3 {
		devices = append(devices, ready(t, s, options{
			name: fmt.Sprintf("monkey %d.%d", seed, i), formats: formats, buffer: []int{60_000, 200_000, 1 << 20}[i], lead: 100 * i, minBuf: 50 * i,
		}))
	}
	g := group(t, s, fmt.Sprint("Monkeys ", seed), devices...)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/queue", obj{"uris": []string{"next.flac", "short.flac", "long.flac"}}, nil)
	api := func(what string, body obj) func(*device) {
		return func(*device) { _ = s.Do("POST", "/api/v1/groups/"+g+"/"+what, body, nil) }
	}
	commands := []string{"play", "pause", "stop", "next", "previous", "repeat_one", "repeat_all", "repeat_off", "shuffle", "unshuffle", "switch"}
	acts := []func(*device){
		func(d *device) { d.command(commands[r.IntN(len(commands))]) },
		func(d *device) { d.command("play") },
		func(d *device) { d.command("seek", "position_ms", r.IntN(3000)) },
		func(d *device) { d.command("seek_relative", "offset_ms", r.IntN(4000)-2000) },
		func(d *device) { d.command("volume", "volume", r.IntN(101)) },
		func(d *device) { d.command("mute", "mute", r.IntN(2) == 0) },
		func(d *device) { d.state(true, func(p obj) { p["format"] = formats[r.IntN(3)] }) },
		func(d *device) { d.state(true, func(p obj) { p["output_delay_ms"] = r.IntN(800) }) },
		func(d *device) {
			d.state(true, func(p obj) { p["volume"], p["min_buffer_ms"] = r.IntN(101), r.IntN(400) })
		},
		func(d *device) { d.state(r.IntN(3) > 0) },
		func(d *device) { d.state(true) },
		func(d *device) { d.send("client/leave", obj{}) },
		func(d *device) { _ = s.Do("PUT", "/api/v1/groups/"+g+"/members/"+d.id, nil, nil) },
		func(d *device) { _ = s.Do("PUT", "/api/v1/groups/"+g+"/members/"+d.id, nil, nil) },
		func(d *device) { _ = s.Do("DELETE", "/api/v1/groups/"+g+"/members/"+d.id, nil, nil) },
		api("play", obj{"uri": "short.flac"}), api("play", obj{"uri": "long.flac"}), api("play", obj{}),
		api("pause", obj{}), api("stop", obj{}), api("next", obj{}), api("seek", obj{"position_ms": 1000}),
		func(d *device) { d.sync(3) },
		func(*device) { time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond) },
	}
	for range steps {
		acts[r.IntN(len(acts))](devices[r.IntN(len(devices))])
	}
	// After all that they play together again.
	for _, d := range devices {
		d.state(true, func(p obj) { p["output_delay_ms"], p["required_lead_time_ms"] = 0, 321 })
		// Whether it was available a moment ago is old news then: it would leave the group for it.
		d.heardLead(s, 321)
		s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+d.id, nil, nil)
		d.sync(2)
	}
	marks := []int{}
	for _, d := range devices {
		marks = append(marks, d.mark())
	}
	play(t, s, g, "long.flac")
	for i, d := range devices {
		d.await("audio after all", marks[i], isAudio)
		for _, c := range d.chunks(d.epoch()) {
			if c.gap < -1 {
				t.Errorf("%s: chunk at %d was sent before", d.o.name, c.ts)
			}
		}
	}
	judgeActivities(t, devices)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/stop", obj{}, nil)
}
