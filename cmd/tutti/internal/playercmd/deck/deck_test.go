package deck_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
	"github.com/tutti-audio/tutti/cmd/tutti/internal/playercmd/deck"
)

var mono = pcm.Format{Codec: "pcm", SampleRate: 44100, Channels: 1, BitDepth: 16}

// skew is how far the server's clock is ahead of the client's in these tests.
const skew = 5_000_000

func toClient(server int64) (int64, bool) { return server - skew, true }

// tape records what an output is told.
type tape struct {
	deck.Null
	segments []int64
	samples  []int32
	fail     error
}

func (o *tape) Segment(_ pcm.Format, ts int64) error {
	o.segments = append(o.segments, ts)
	return o.fail
}

func (o *tape) Write(s []int32) error {
	o.samples = append(o.samples, s...)
	return o.fail
}

func (o *tape) Silence(n int64) error {
	o.samples = append(o.samples, make([]int32, n)...)
	return nil
}

// ts is the server time of frame n of a stream that begins at 100 s.
func ts(n int64) int64 { return 100_000_000 + mono.DurationUS(n) }

// chunk makes frames from..to of a ramp, arrived one second before its moment.
func chunk(from, to int64) deck.Chunk {
	var b []byte
	for i := from; i < to; i++ {
		b = binary.LittleEndian.AppendUint16(b, uint16(i+1))
	}
	return deck.Chunk{Format: mono, Timestamp: ts(from), ArrivedAt: ts(from) - skew - 1_000_000, Data: b}
}

func ramp(from, to int) []int32 {
	var out []int32
	for i := from; i < to; i++ {
		out = append(out, int32(int16(i+1)))
	}
	return out
}

func newDeck(out deck.Output) *deck.Deck {
	d := deck.New(out, 4<<20, toClient)
	d.SetReady(true, 0)
	return d
}

func add(t *testing.T, d *deck.Deck, chunks ...deck.Chunk) {
	t.Helper()
	for _, c := range chunks {
		if err := d.Add(c); err != nil {
			t.Fatal(err)
		}
	}
}

const end = 1 << 40

func TestPlaysAtTheMomentAndContinuously(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	var want []int32
	for i := range int64(300) { // 30 s of 4410 frames; and of an odd size
		add(t, d, chunk(i*4409, (i+1)*4409))
		want = append(want, ramp(int(i*4409), int((i+1)*4409))...)
	}
	at, ok := d.Next()
	if !ok || at != ts(0)-skew {
		t.Fatalf("first is due at %d, %v; want %d", at, ok, ts(0)-skew)
	}
	if err := d.Play(at - 1); err != nil || len(out.samples) != 0 {
		t.Fatal("played before its moment")
	}
	if err := d.Play(at); err != nil || len(out.samples) != 4409 {
		t.Fatalf("%d samples at the first moment", len(out.samples))
	}
	if err := d.Play(end); err != nil || !slices.Equal(out.samples, want) || len(out.segments) != 1 {
		t.Fatalf("%d samples in %d segments, want %d in one", len(out.samples), len(out.segments), len(want))
	}
	s := d.TakeStats()
	if s.Chunks != 300 || s.Frames != 300*4409 || s.Gaps+s.Late+s.Overlaps != 0 || s.MinLeadUS != 1_000_000 || s.BufferedMS != 0 {
		t.Errorf("%+v", s)
	}
}

func TestGapsOverlapsAndOrder(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	add(t, d, chunk(200, 300), chunk(0, 100), chunk(350, 450), chunk(400, 500))
	if err := d.Play(end); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(ramp(0, 100), make([]int32, 100), ramp(200, 300), make([]int32, 50), ramp(350, 500))
	if !slices.Equal(out.samples, want) {
		t.Errorf("%d samples, want %d", len(out.samples), len(want))
	}
	if s := d.TakeStats(); s.Gaps != 2 || s.GapFrames != 150 || s.Overlaps != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLateChunksAreDroppedAndSlownessIsNot(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	late := chunk(0, 100)
	late.ArrivedAt = ts(0) - skew + 1
	add(t, d, late, chunk(100, 200))
	if err := d.Play(end); err != nil || !slices.Equal(out.samples, ramp(100, 200)) {
		t.Errorf("%d samples", len(out.samples))
	}
	if s := d.TakeStats(); s.Late != 1 || s.SyncErrorUS == 0 {
		t.Errorf("%+v", s)
	}
}

func TestChunksWaitForTheClock(t *testing.T) {
	out := &tape{}
	d := deck.New(out, 4<<20, toClient)
	add(t, d, chunk(0, 100), chunk(100, 200))
	if _, ok := d.Next(); ok {
		t.Error("due without a clock")
	}
	if err := d.Play(end); err != nil || len(out.samples) != 0 {
		t.Error("played without a clock")
	}
	d.SetReady(true, ts(50)-skew) // the first chunk's moment has passed meanwhile
	if err := d.Play(end); err != nil || !slices.Equal(out.samples, ramp(100, 200)) {
		t.Errorf("%d samples, want only the second chunk", len(out.samples))
	}
}

func TestClearAndSegments(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	add(t, d, chunk(0, 100), chunk(100, 200))
	if err := d.Play(ts(0) - skew); err != nil {
		t.Fatal(err)
	}
	if err := d.Clear(); err != nil {
		t.Fatal(err)
	}
	far := int64(44100 * 70)
	add(t, d, chunk(150, 250), chunk(far, far+10), chunk(20, 30))
	if err := d.Play(end); err != nil {
		t.Fatal(err)
	}
	// After the clear: 50 frames are missing; then a pause beyond a minute.
	want := slices.Concat(ramp(0, 100), make([]int32, 50), ramp(150, 250), ramp(int(far), int(far)+10))
	if !slices.Equal(out.samples, want) || !slices.Equal(out.segments, []int64{ts(0), ts(far)}) {
		t.Errorf("%d samples, segments %v", len(out.samples), out.segments)
	}
	if s := d.TakeStats(); s.Gaps != 0 || s.GapFrames != 0 || s.Frames != 210 {
		t.Errorf("a pause counts as missing audio: %+v", s)
	}
	add(t, d, chunk(0, 10)) // time goes back: another server
	if err := d.Play(end); err != nil || len(out.segments) != 3 {
		t.Errorf("segments %v", out.segments)
	}
}

// What is due while the speaker has something else to say is not heard; what is due
// later is, in its place.
func TestSuspensionKeepsTheTimeline(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	add(t, d, chunk(0, 100), chunk(100, 200), chunk(200, 300))
	play := func(n int64) {
		t.Helper()
		if err := d.Play(ts(n) - skew); err != nil {
			t.Fatal(err)
		}
	}
	play(0)
	if err := d.Suspend(true); err != nil {
		t.Fatal(err)
	}
	play(100)
	if err := d.Suspend(false); err != nil {
		t.Fatal(err)
	}
	play(200)
	want := slices.Concat(ramp(0, 100), make([]int32, 100), ramp(200, 300))
	if s := d.TakeStats(); !slices.Equal(out.samples, want) || s.Gaps != 0 || s.Late != 0 || s.Frames != 200 {
		t.Errorf("%d samples, stats %+v", len(out.samples), s)
	}
}

func TestBadChunksAndOverflow(t *testing.T) {
	out := &tape{}
	d := deck.New(out, 300, toClient)
	d.SetReady(true, 0)
	bad := chunk(0, 10)
	bad.Data = bad.Data[:5]
	if err := d.Add(bad); err == nil {
		t.Error("half a sample: want an error")
	}
	bad = chunk(0, 10)
	bad.Format.Codec = "flac"
	if err := d.Add(bad); err == nil {
		t.Error("flac without a header: want an error")
	}
	add(t, d, chunk(0, 250))
	if err := d.Add(chunk(250, 500)); err == nil {
		t.Error("beyond twice the capacity: want an error")
	}
	if s := d.TakeStats(); s.Undecodable != 2 || s.Overflow != 1 || s.BufferedSize != 513 {
		t.Errorf("%+v", s)
	}
	out.fail = errors.New("disk full")
	if err := d.Play(end); err == nil {
		t.Error("the output's error is lost")
	}
}

func TestRecordsFLACBitExactInItsFormat(t *testing.T) {
	f := pcm.Format{Codec: "flac", SampleRate: 48000, Channels: 2, BitDepth: 24}
	enc, err := encode.New(f, 4800)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "room.wav")
	var started []int64
	rec, err := deck.NewWAV(path, func(_ string, _ pcm.Format, ts int64) { started = append(started, ts) })
	if err != nil {
		t.Fatal(err)
	}
	d := newDeck(rec)
	var want []int32
	for i := range int64(5) {
		x := make([]int32, 9600)
		for j := range x {
			x[j] = int32(i*1000+int64(j)*37) % 8388607
		}
		want = append(want, x...)
		data, err := enc.Encode(nil, x)
		if err != nil {
			t.Fatal(err)
		}
		add(t, d, deck.Chunk{Format: f, Header: enc.Header(), Timestamp: 7_000_000 + i*100_000, Data: data})
	}
	second := chunk(0, 500) // the format changes within the stream
	add(t, d, second)
	if err := errors.Join(d.Play(end), rec.Close()); err != nil {
		t.Fatal(err)
	}
	if got, gf := readWAV(t, path); !slices.Equal(got, want) || gf.BitDepth != 24 || gf.SampleRate != 48000 {
		t.Errorf("%d samples of %v, want %d", len(got), gf, len(want))
	}
	if got, gf := readWAV(t, filepath.Join(filepath.Dir(path), "room-2.wav")); !slices.Equal(got, ramp(0, 500)) || gf.BitDepth != 16 {
		t.Errorf("second file: %d samples of %v", len(got), gf)
	}
	if !slices.Equal(started, []int64{7_000_000, ts(0)}) {
		t.Errorf("segments at %v", started)
	}
	if _, err := deck.NewWAV(filepath.Join(path, "below", "a.wav"), nil); err == nil {
		t.Error("a path that cannot be: want an error")
	}
}

func readWAV(t *testing.T, path string) ([]int32, pcm.Format) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := wav.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int32, r.Frames()*int64(r.Format().Channels))
	if _, err := r.Read(out); err != nil {
		t.Fatal(err)
	}
	return out, r.Format()
}

// A connection is lost and comes back while the buffer sounds: every sample once, in its
// place, and the later word counts where both have something.
func TestLostStreamGoesOnWhereTheNextOneBegins(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	add(t, d, chunk(0, 100), chunk(100, 200), chunk(200, 300))
	d.Lose()
	if err := d.Play(ts(100) - skew); err != nil { // it goes on sounding
		t.Fatal(err)
	}
	other := chunk(200, 300)
	clear(other.Data)
	add(t, d, other, chunk(300, 400))
	if err := d.Play(end); err != nil {
		t.Fatal(err)
	}
	want := append(append(ramp(0, 200), make([]int32, 100)...), ramp(300, 400)...)
	if !slices.Equal(out.samples, want) {
		t.Errorf("%d samples, want %d: each once, and those of the new stream from its beginning on", len(out.samples), len(want))
	}
	if s := d.TakeStats(); s.Gaps != 0 || s.Overlaps != 0 || s.Late != 0 || s.BufferedSize != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestLostStreamThatDoesNotComeBackPlaysOut(t *testing.T) {
	out := &tape{}
	d := newDeck(out)
	add(t, d, chunk(0, 100), chunk(100, 200))
	d.Lose()
	if err := d.Play(end); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.samples, ramp(0, 200)) {
		t.Errorf("%d samples, want what was buffered", len(out.samples))
	}
}
