package clock

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/filter.json anew")

const vectorFile = "testdata/filter.json"

// filterStep is one measurement, and the filter after it.
type filterStep struct {
	Measurement int64   `json:"measurement"`
	MaxErr      int64   `json:"max_error"`
	At          int64   `json:"at"`
	Offset      float64 `json:"offset"`
	Drift       float64 `json:"drift"` // as conversions apply it
	StdDev      float64 `json:"std_dev"`
	Converged   bool    `json:"converged"`
	Client      int64   `json:"client"` // a time of the client's
	Server      int64   `json:"server"` // which this is of the server's
	Back        int64   `json:"back"`   // and the way back
}

// vectorSteps runs the filter over a link with jitter and a step of the clock. The
// sequence is the same in every run.
func vectorSteps() []filterStep {
	r := rand.New(rand.NewPCG(32, 1))
	f := New()
	var out []filterStep
	at, offset := int64(1_000_000), 123_456_789.0
	for i := range 400 {
		dt := int64(1_000_000 + r.IntN(9_000_000))
		at += dt
		offset += 37e-6 * float64(dt)
		if i == 250 {
			offset += 40_000 // the clock was set
		}
		maxErr := int64(150 + r.IntN(900))
		if i%50 == 7 {
			maxErr *= 20 // a busy medium
		}
		m := int64(math.Round(offset + (2*r.Float64()-1)*float64(maxErr)))
		f.Update(m, maxErr, at)
		s := filterStep{
			Measurement: m, MaxErr: maxErr, At: at, Offset: f.Offset(), Drift: f.Drift(), StdDev: f.StdDev(),
			Converged: f.Converged(), Client: at + int64(r.IntN(5_000_000)),
		}
		s.Server = f.ServerTime(s.Client)
		s.Back = f.ClientTime(s.Server)
		out = append(out, s)
	}
	return out
}

// The file is what the console's filter is compared with (console/test/sendspin).
func TestVectorsAreThisFilters(t *testing.T) {
	steps := vectorSteps()
	if *update {
		raw, err := json.MarshalIndent(steps, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(raw, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatalf("%v; run go test ./clock -run TestVectorsAreThisFilters -update", err)
	}
	var want []filterStep
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(steps) {
		t.Fatalf("%s has %d steps, want %d", vectorFile, len(want), len(steps))
	}
	for i, w := range want {
		// Compilers may fuse a multiplication and an addition, which differs in the last bits.
		near := math.Abs(steps[i].Offset-w.Offset) < 1e-3 && math.Abs(steps[i].Drift-w.Drift) < 1e-12
		if !near || steps[i].Measurement != w.Measurement || steps[i].Converged != w.Converged {
			t.Fatalf("step %d: got %+v, want %+v", i, steps[i], w)
		}
	}
}
