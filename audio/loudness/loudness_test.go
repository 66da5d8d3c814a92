package loudness

import (
	"math"
	"testing"
)

// part is a 1 kHz tone of one level (dBFS of the peak, per channel) and length.
type part struct {
	seconds float64
	dbfs    []float64
}

func both(seconds, db float64) part { return part{seconds, []float64{db, db}} }

// write sends parts to a meter in blocks of an odd size.
func write(t *testing.T, rate int, parts []part) *Meter {
	t.Helper()
	m, err := NewMeter(rate, len(parts[0].dbfs), 24)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var buf []int32
	for _, p := range parts {
		for range int(p.seconds * float64(rate)) {
			v := math.Sin(2 * math.Pi * 1000 * float64(n) / float64(rate))
			n++
			for _, db := range p.dbfs {
				buf = append(buf, int32(v*math.Pow(10, db/20)*(1<<23)))
			}
			if len(buf) >= 5000 {
				m.Write(buf)
				buf = buf[:0]
			}
		}
	}
	m.Write(buf)
	return m
}

// TestEBUTech3341 runs the synthetic cases 1 to 6 of EBU Tech 3341 for integrated
// loudness: all of them within 0.1 LU.
func TestEBUTech3341(t *testing.T) {
	for name, c := range map[string]struct {
		parts []part
		want  float64
	}{
		"1 tone at -23": {[]part{both(20, -23)}, -23},
		"2 tone at -33": {[]part{both(20, -33)}, -33},
		"3 quiet ends are below the relative gate": {[]part{both(10, -36), both(60, -23), both(10, -36)}, -23},
		"4 silence is below the absolute gate":     {[]part{both(10, -72), both(10, -36), both(60, -23), both(10, -36), both(10, -72)}, -23},
		"5 all of it counts":                       {[]part{both(20, -26), both(20.1, -20), both(20, -26)}, -23},
		"6 surround":                               {[]part{{20, []float64{-28, -28, -24, -30, -30}}}, -23},
	} {
		t.Run(name, func(t *testing.T) {
			if got := write(t, 48000, c.parts).Integrated(); math.Abs(got-c.want) > 0.1 {
				t.Errorf("%.2f LUFS, want %.1f", got, c.want)
			}
		})
	}
}

func TestRatesAndMono(t *testing.T) {
	for _, rate := range []int{22050, 44100, 96000, 192000} {
		if got := write(t, rate, []part{both(5, -20)}).Integrated(); math.Abs(got+20) > 0.1 {
			t.Errorf("at %d Hz: %.2f LUFS, want -20", rate, got)
		}
	}
	// A mono programme comes out of two loudspeakers.
	if got := write(t, 48000, []part{{5, []float64{-20}}}).Integrated(); math.Abs(got+20) > 0.1 {
		t.Errorf("mono: %.2f LUFS, want -20", got)
	}
	m := write(t, 48000, []part{both(0.3, -6)})
	if got := m.Integrated(); got != Silence {
		t.Errorf("less than one block: %.2f LUFS", got)
	}
	if got := 20 * math.Log10(m.Peak()); math.Abs(got+6) > 0.01 {
		t.Errorf("peak %.2f dBFS, want -6", got)
	}
	if _, err := NewMeter(44100, 99, 16); err == nil {
		t.Error("99 channels were taken")
	}
}

// TestKWeightingIsTheRecommendations compares the coefficients at 48 kHz with BS.1770's
// tables 1 and 2.
func TestKWeightingIsTheRecommendations(t *testing.T) {
	k := newKWeighting(48000)
	got := []float64{k.shelf.b0, k.shelf.b1, k.shelf.b2, k.shelf.a1, k.shelf.a2, k.pass.a1, k.pass.a2}
	want := []float64{1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585, -1.99004745483398, 0.99007225036621}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-9 {
			t.Errorf("coefficient %d is %.14f, want %.14f", i, got[i], want[i])
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	m, err := NewMeter(44100, 2, 16)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]int32, 8820) // 100 ms
	for i := range buf {
		buf[i] = int32(i*7919%65536 - 32768)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Write(buf)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/0.1*100, "%-of-real-time")
}
