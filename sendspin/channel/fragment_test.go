package channel

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

func TestMalformedSequences(t *testing.T) {
	first, last, only := []byte{1, flagFirst, 8, 'a'}, []byte{1, flagLast, 'b'}, []byte{1, flagFirst | flagLast, 8, 'c'}
	middle := []byte{1, 0, 'd'}
	for name, c := range map[string]struct {
		plains [][]byte
		want   error
	}{
		"first while in flight":            {[][]byte{first, first}, ErrFragmentFirst},
		"only fragment while in flight":    {[][]byte{first, only}, ErrFragmentFirst},
		"later with none in flight":        {[][]byte{middle}, ErrFragmentStray},
		"last with none in flight":         {[][]byte{last}, ErrFragmentStray},
		"later after the end":              {[][]byte{first, last, middle}, ErrFragmentStray},
		"later after an only fragment":     {[][]byte{only, last}, ErrFragmentStray},
		"other message while in flight":    {[][]byte{first, {0, '{', '}'}}, ErrFragmentInterrupted},
		"unknown message while in flight":  {[][]byte{first, middle, {200}}, ErrFragmentInterrupted},
		"reserved flag on first":           {[][]byte{{1, flagFirst | 4, 8}}, ErrFragmentFlags},
		"reserved flag on later":           {[][]byte{first, {1, 0x80, 'x'}}, ErrFragmentFlags},
		"reserved flag with none":          {[][]byte{{1, 0x40}}, ErrFragmentFlags},
		"fragment of a fragment":           {[][]byte{{1, flagFirst, 1, 'x'}}, ErrFragmentNested},
		"first without orig_type":          {[][]byte{{1, flagFirst}}, ErrFragmentShort},
		"without flags":                    {[][]byte{{1}}, ErrFragmentShort},
		"without flags while in flight":    {[][]byte{first, {1}}, ErrFragmentShort},
		"empty plaintext":                  {[][]byte{{}}, ErrEmpty},
		"too large in all":                 {[][]byte{{1, flagFirst, 8, 1, 2, 3}, {1, 0, 4, 5, 6}, {1, flagLast, 7, 8, 9}}, ErrTooLarge},
		"too large at once":                {[][]byte{{1, flagFirst, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9}}, ErrTooLarge},
		"too large unfragmented":           {[][]byte{{8, 1, 2, 3, 4, 5, 6, 7, 8, 9}}, ErrTooLarge},
		"discarded: first while in flight": {[][]byte{{1, flagFirst, 99}, first}, ErrFragmentFirst},
		"discarded: interrupted":           {[][]byte{{1, flagFirst, 99}, {0}}, ErrFragmentInterrupted},
		"discarded: reserved flag":         {[][]byte{{1, flagFirst, 99}, {1, 8}}, ErrFragmentFlags},
		"discarded: later after the end":   {[][]byte{{1, flagFirst | flagLast, 99}, last}, ErrFragmentStray},
	} {
		t.Run(name, func(t *testing.T) {
			a := assembler{limit: 8, implements: func(id byte) bool { return id != 99 }}
			for i, p := range c.plains {
				_, _, _, err := a.add(p)
				if lastOne := i == len(c.plains)-1; lastOne != (err != nil) || lastOne && !errors.Is(err, c.want) {
					t.Fatalf("plaintext %d: got %v, want %v at the end", i, err, c.want)
				}
			}
		})
	}
}

func TestFragmentsOfUnwantedIDsAreDropped(t *testing.T) {
	a := assembler{limit: 8, implements: func(id byte) bool { return id == 8 }}
	long := make([]byte, 100)
	for _, p := range [][]byte{append([]byte{1, flagFirst, 99}, long...), append([]byte{1, 0}, long...), append([]byte{1, flagLast}, long...)} {
		if _, _, complete, err := a.add(p); complete || err != nil {
			t.Fatalf("got %v, %v", complete, err)
		}
	}
	if cap(a.buf) != 0 {
		t.Errorf("kept %d bytes", cap(a.buf))
	}
	id, payload, complete, err := a.add([]byte{1, flagFirst | flagLast, 8, 'x'})
	if id != 8 || string(payload) != "x" || !complete || err != nil {
		t.Errorf("next message: %d %q %v %v", id, payload, complete, err)
	}
}

// reassemble feeds plaintexts and returns the one message that comes out.
func reassemble(t testing.TB, plains [][]byte) (byte, []byte) {
	t.Helper()
	a := assembler{limit: 1 << 24}
	for i, p := range plains {
		id, payload, complete, err := a.add(p)
		if err != nil || complete != (i == len(plains)-1) {
			t.Fatalf("fragment %d of %d: %v, %v", i, len(plains), complete, err)
		}
		if complete {
			return id, payload
		}
	}
	t.Fatal("nothing came out")
	return 0, nil
}

func TestFragmentsRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 65516, 65517, 65518, 65519, 131032, 131033, 131034, 500_000} {
		payload := make([]byte, size)
		r := rand.NewChaCha8([32]byte{byte(size)})
		_, _ = r.Read(payload)
		var plains [][]byte
		for rest, first := payload, true; first || len(rest) > 0; first = false {
			var p []byte
			p, rest = appendFragment(nil, 9, rest, first)
			if len(p) > noise.MaxPlaintext || len(rest) > 0 && len(p) != noise.MaxPlaintext {
				t.Fatalf("size %d: fragment of %d bytes", size, len(p))
			}
			plains = append(plains, p)
		}
		if want := (size + 1 + 65516) / 65517; size > 65516 && len(plains) != want {
			t.Errorf("size %d: %d fragments, want %d", size, len(plains), want)
		}
		if id, got := reassemble(t, plains); id != 9 || !bytes.Equal(got, payload) {
			t.Fatalf("size %d: got id %d, %d bytes", size, id, len(got))
		}
	}
}
