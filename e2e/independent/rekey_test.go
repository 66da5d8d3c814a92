package independent

import (
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// rekeys counts the re-handshakes of the connection.
func (d *device) rekeys() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ref.rekeys
}

// playing waits for a group's first audio, to be at a known place in the file.
func playing(t testing.TB, s *harness.Server, name string, devices ...*device) string {
	t.Helper()
	for _, d := range devices {
		d.sync(4)
		d.state(true)
	}
	g := group(t, s, name, devices...)
	play(t, s, g, "long.flac")
	for _, d := range devices {
		d.awaitAudio(1, 0.5)
	}
	return g
}

// whole checks that one stream runs on from the file's beginning, sample by sample.
func (d *device) whole(music library) {
	d.t.Helper()
	d.mu.Lock()
	streams, epoch := d.ref.streams, d.ref.epoch
	d.mu.Unlock()
	if streams != 1 || epoch != 1 {
		d.t.Errorf("%s: %d streams and %d beginnings, want one of each", d.o.name, streams, epoch)
	}
	chunks := d.chunks(1)
	continuous(d.t, d.o.name, chunks)
	exact(d.t, d.o.name, chunks, music.files["long.flac"], 0)
}

// seconds of audio received in the first epoch.
func (d *device) seconds() float64 {
	have := 0.0
	for _, c := range d.chunks(1) {
		have += float64(c.frames) / float64(c.rate)
	}
	return have
}

// TestRekeyWhilePlaying: session keys are swapped every two seconds under the music,
// on a paired and on an approved session, in both suites; no sample is missing, and
// the clock goes on.
func TestRekeyWhilePlaying(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	music := makeMusic(t, dir)
	s := harness.StartServer(t, "embedded", harness.Options{Music: dir, Args: []string{"--rekey-interval", "2s"}})
	approved := connect(t, s.Sendspin, options{suite: suiteAES, lead: unhurried})
	approved.approve(s)
	devices := []*device{approved}
	for _, w := range ways()[:2] {
		d := connect(t, s.Sendspin, options{pair: w.pair(), lead: unhurried})
		w.run(d, s)
		d.paired(s)
		devices = append(devices, d)
	}
	before := map[*device]int{}
	for _, d := range devices {
		before[d] = d.rekeys()
	}
	playing(t, s, "Rekeyed", devices...)
	for _, d := range devices {
		harness.Eventually(t, 3*patience, d.o.name+" was rekeyed thrice under the music", func() string {
			d.sync(1)
			if n := d.rekeys() - before[d]; n < 3 || d.seconds() < 6 {
				return fmt.Sprintf("%d times, %.1f s of audio", n, d.seconds())
			}
			return ""
		})
		d.whole(music)
		want := "lt"
		if d == approved {
			want = "sn"
		}
		if psk, _ := d.keyed(); psk != want {
			t.Errorf("%s is keyed by %s after its rotations, want %s", d.o.name, psk, want)
		}
	}
}

// TestPairingBesidePlayback: an approved player is paired while it plays; the stream
// goes on, and so does its neighbour's.
func TestPairingBesidePlayback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	music := makeMusic(t, dir)
	s := harness.StartServer(t, "embedded", harness.Options{Music: dir})
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			d := connect(t, s.Sendspin, options{pair: w.pair(), lead: unhurried})
			neighbour := connect(t, s.Sendspin, options{lead: unhurried})
			d.approve(s)
			neighbour.approve(s)
			playing(t, s, "Beside "+w.name, d, neighbour)
			w.run(d, s)
			d.paired(s)
			at := d.seconds()
			d.awaitAudio(1, at+1)
			neighbour.awaitAudio(1, at+1)
			d.whole(music)
			neighbour.whole(music)
		})
	}
}

// TestUnpairStopsTheMusic: unpairing and forgetting a player that plays take effect
// at once, and the other goes on.
func TestUnpairStopsTheMusic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	music := makeMusic(t, dir)
	s := harness.StartServer(t, "embedded", harness.Options{Music: dir})
	var devices []*device
	for range 3 {
		w := ways()[0]
		d := connect(t, s.Sendspin, options{pair: w.pair(), lead: unhurried})
		w.run(d, s)
		d.paired(s)
		devices = append(devices, d)
	}
	unpaired, forgotten, stays := devices[0], devices[1], devices[2]
	playing(t, s, "Unpaired", devices...)
	s.Must(t, "POST", "/api/v1/clients/"+unpaired.id+"/unpair", nil, nil)
	unpaired.await("server/unpair", 0, isType("server/unpair"))
	unpaired.awaitClosed("server/unpair")
	s.Must(t, "DELETE", "/api/v1/clients/"+forgotten.id, nil, nil)
	forgotten.awaitClosed("forget")
	at := stays.seconds()
	stays.awaitAudio(1, at+2)
	stays.whole(music)
	unpaired.told(s)
	unpaired.nothingKept(s)
	// A forgotten device that comes back with its record is a stranger.
	again := connect(t, s.Sendspin, forgotten.o)
	awaitTrust(t, s, again.id, "unapproved")
	again.never()
}
