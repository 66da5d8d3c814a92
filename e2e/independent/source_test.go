package independent

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// isSource tells whether a message commands our source.
func isSource(command string) func(msg) bool {
	return func(m msg) bool { return m.typ == "server/command" && sub(m.payload, "source")["command"] == command }
}

// open announces PCM of this rate and depth.
func (d *device) open(rate, bits int) {
	d.send("client-stream/start", obj{"source": obj{"codec": "pcm", "channels": 2, "sample_rate": rate, "bit_depth": bits}})
}

// captured sends 20 ms of a tone, captured at this time on the server's clock.
func (d *device) captured(ts int64, rate, bits int, from int64) {
	plain := binary.BigEndian.AppendUint64([]byte{12}, uint64(ts))
	for i := range int64(rate / 50) {
		v := int64(8000 * math.Sin(2*math.Pi*440*float64(from+i)/float64(rate)) * float64(int64(1)<<(bits-16)))
		for range 2 {
			for k := range bits / 8 {
				plain = append(plain, byte(v>>(8*k)))
			}
		}
	}
	d.sendPlain(plain)
}

// serverNow is the server's clock by our best exchange.
func (d *device) serverNow() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now() + d.ref.best.offset
}

// stream captures in real time, in 20 ms steps, until stop.
func (d *device) stream(rate, bits int, stop <-chan struct{}) (done chan struct{}) {
	done = make(chan struct{})
	start := d.serverNow()
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for k := int64(0); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for ; d.serverNow() >= start+(k+1)*20_000; k++ {
				d.captured(start+k*20_000, rate, bits, k*int64(rate/50))
			}
		}
	}()
	return done
}

// testSource: a source is asked when it is played, heard on a speaker, changes its format
// in place, and is told to stop; what it must not do ends its connection.
func testSource(t *testing.T, s *harness.Server, _ library) {
	speaker := ready(t, s, options{name: "source speaker", minBuf: 300})
	d := ready(t, s, options{name: "line-in", roles: []string{"source@v1"}})
	hello := d.since(0)[0].payload
	codecs, _ := sub(hello, "source@v1_support")["supported_codecs"].([]any)
	if !slices.Contains(codecs, any("flac")) || !slices.Contains(codecs, any("pcm")) {
		t.Fatalf("server/hello %v does not list flac and pcm", hello)
	}
	g := group(t, s, "Source", speaker)
	play(t, s, g, "source:"+d.id)
	_, mark := d.await("server/command start", 0, isSource("start"))
	d.sync(3)
	d.open(48000, 16)
	stop := make(chan struct{})
	done := d.stream(48000, 16, stop)
	heard := speaker.awaitNow(3)
	close(stop)
	<-done
	sane(t, "source speaker", heard)
	tone(t, heard)

	// Another format in place, without another start.
	d.open(44100, 24)
	stop = make(chan struct{})
	done = d.stream(44100, 24, stop)
	before := speaker.mark()
	for range 20 {
		_, before = speaker.await("audio after the change", before, isAudio)
	}
	s.Must(t, "POST", "/api/v1/groups/"+g+"/stop", obj{}, nil)
	_, mark = d.await("server/command stop", mark, isSource("stop"))
	close(stop)
	<-done // what came after the stop was in flight
	d.send("client-stream/end", obj{})
	d.sync(2)
	if err := d.closedNow(); err != nil {
		t.Fatalf("audio in flight after a stop closed the connection: %v", err)
	}
	for _, m := range d.since(mark) {
		if isSource("start")(m) {
			t.Errorf("%s after the stop, although nobody plays it", m)
		}
	}
	// The stream is over: a chunk now is a protocol error.
	d.captured(d.serverNow(), 44100, 16, 0)
	d.awaitClosed("source audio after client-stream/end")

	d = ready(t, s, options{name: "unasked line-in", roles: []string{"source@v1"}})
	d.open(44100, 16)
	d.awaitClosed("an unsolicited client-stream/start")
	d = ready(t, s, options{name: "line-in without a stream", roles: []string{"source@v1"}})
	d.captured(d.serverNow(), 44100, 16, 0)
	d.awaitClosed("source audio without a stream")
}

// tone checks that some second of what was heard is the tone: its energy at 440 Hz.
func tone(t *testing.T, chunks []*chunk) {
	t.Helper()
	var v []float64
	for _, c := range chunks {
		for i := 0; i < len(c.samples); i += 2 {
			v = append(v, float64(c.samples[i]))
		}
	}
	rate := int(chunks[0].rate)
	best := 0.0
	for from := 0; from+rate/2 <= len(v); from += rate / 4 {
		var re, im, all float64
		for i, x := range v[from : from+rate/2] {
			sin, cos := math.Sincos(2 * math.Pi * 440 * float64(i) / float64(rate))
			re, im, all = re+x*cos, im+x*sin, all+x*x
		}
		if all > 0 {
			best = max(best, 2*(re*re+im*im)/(all*float64(rate/2)))
		}
	}
	if best < 0.98 {
		t.Errorf("what is heard of the source is no tone of 440 Hz: %.3f of its energy is", best)
	}
}

// testUnapprovedSource: the role needs an approval of its own.
func testUnapprovedSource(t *testing.T, s *harness.Server) {
	d := connect(t, s.Sendspin, options{roles: []string{"source@v1", "metadata@v1"}})
	harness.Eventually(t, patience, "approve without source", func() string {
		if err := s.Do("POST", "/api/v1/clients/"+d.id+"/approve", obj{}, nil); err != nil {
			return err.Error()
		}
		return ""
	})
	m, _ := d.await("server/activate with roles", 0, func(m msg) bool {
		roles, _ := m.payload["active_roles"].([]any)
		return m.typ == "server/activate" && len(roles) > 0
	})
	if roles, _ := m.payload["active_roles"].([]any); slices.Contains(roles, any("source@v1")) {
		t.Errorf("%s without an approval for the source", m)
	}
}
