package cpace

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// hexBytes is hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// vectors is the format of both files in testdata: sendspin.json has values of
// Sendspin implementations, draft.json those of the draft's appendix B.1.
type vectors struct {
	CPace []struct {
		PRS       hexBytes `json:"prs"`
		CI        hexBytes `json:"ci"`
		SID       hexBytes `json:"sid"`
		ADa       hexBytes `json:"ada"`
		ADb       hexBytes `json:"adb"`
		ScalarA   hexBytes `json:"scalarA"`
		ScalarB   hexBytes `json:"scalarB"`
		String    hexBytes `json:"generator_string"`
		Generator hexBytes `json:"generator"`
		Ya, Yb, K hexBytes
		ISK       hexBytes `json:"isk"`
		Ta, Tb    hexBytes
	} `json:"cpace"`
	Elligator2 []struct{ R, X hexBytes } `json:"elligator2"`
	X25519     struct {
		S      hexBytes
		Points []struct{ U, Q hexBytes }
	} `json:"x25519"`
}

func load(t testing.TB, name string) (v vectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func same(t *testing.T, what string, got []byte, want hexBytes) {
	t.Helper()
	if len(want) > 0 && !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, []byte(want))
	}
}

func TestVectors(t *testing.T) {
	for _, file := range []string{"sendspin.json", "draft.json"} {
		vs := load(t, file)
		if len(vs.CPace) == 0 {
			t.Fatalf("%s holds no vectors", file)
		}
		for _, v := range vs.CPace {
			same(t, "generator string", generatorString(v.PRS, v.CI, v.SID), v.String)
			g := generator(v.PRS, v.CI, v.SID)
			same(t, "generator", g[:], v.Generator)
			in := Input{PRS: v.PRS, CI: v.CI, SID: v.SID, ADa: v.ADa, ADb: v.ADb}
			a, errA := Start(Initiator, in, bytes.NewReader(v.ScalarA))
			b, errB := Start(Responder, in, bytes.NewReader(v.ScalarB))
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			same(t, "Ya", a.Share(), v.Ya)
			same(t, "Yb", b.Share(), v.Yb)
			if k, err := x25519(v.ScalarA, v.Yb); err != nil {
				t.Error(err)
			} else {
				same(t, "K", k, v.K)
			}
			ka, errA := a.Finish(v.Yb)
			kb, errB := b.Finish(v.Ya)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			for _, k := range []*Keys{ka, kb} {
				same(t, "isk", k.ISK(), v.ISK)
			}
			same(t, "Ta", ka.Tag(), v.Ta)
			same(t, "Tb", kb.Tag(), v.Tb)
			if !ka.Verify(kb.Tag()) || !kb.Verify(ka.Tag()) {
				t.Error("the tags do not verify")
			}
		}
	}
}

func TestElligator2Vectors(t *testing.T) {
	vs := load(t, "sendspin.json").Elligator2
	if len(vs) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vs {
		got := elligator2([32]byte(v.R))
		same(t, "x", got[:], v.X)
	}
}

// The draft's section "Verification tests": low-order and non-canonical points.
func TestPointsOfTheDraft(t *testing.T) {
	v := load(t, "draft.json").X25519
	low := 0
	for _, p := range v.Points {
		got, err := x25519(v.S, p.U)
		if bytes.Equal(p.Q, make([]byte, 32)) {
			low++
			if !errors.Is(err, ErrShare) {
				t.Errorf("u = %x: %x, %v, want ErrShare", []byte(p.U), got, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("u = %x: %v", []byte(p.U), err)
		}
		same(t, "q", got, p.Q)
	}
	if low != 7 || len(v.Points) != 12 {
		t.Errorf("%d points, %d of them refused; the draft has 12 and 7", len(v.Points), low)
	}
}
