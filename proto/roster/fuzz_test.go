package roster

import "testing"

// FuzzParse: never a panic, and what is read says the same when it is written again.
func FuzzParse(f *testing.F) {
	f.Add(sign(f, sample(0), keyOf(1)))
	f.Add(sign(f, sample(10), keyOf(1)))
	f.Add("TR1.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		if err := r.check(); err != nil {
			t.Fatalf("read what cannot be written: %v", err)
		}
	})
}

// FuzzDecode takes bodies, which a fuzzer reaches more easily than texts.
func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 10} {
		body, err := unpack(sign(f, sample(n), keyOf(1)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decode(body)
		if err != nil {
			return
		}
		if got := r.unsigned(); string(got) != string(body[:len(got)]) || len(got)+64 != len(body) {
			t.Fatal("a body has two forms")
		}
	})
}
