package tape

import (
	"bytes"
	"reflect"
	"testing"
)

func TestVisualFramesFollowEachOther(t *testing.T) {
	want := []VisualFrame{{Code: 16, OffsetUS: 0, Index: 1, Body: []byte{1, 2}}, {Code: 20, OffsetUS: 99_999, Body: []byte{200}}, {Code: 19, OffsetUS: 1 << 31, Index: 1 << 31, Body: []byte{}}}
	var b []byte
	for _, f := range want {
		b = AppendVisual(b, &f)
	}
	for _, w := range want {
		f, rest, err := NextVisual(b)
		if err != nil || !reflect.DeepEqual(f, w) {
			t.Fatalf("got %+v, %v, want %+v", f, err, w)
		}
		b = rest
	}
	if len(b) != 0 {
		t.Errorf("%d bytes are left", len(b))
	}
}

func FuzzNextVisual(f *testing.F) {
	f.Add(AppendVisual(nil, &VisualFrame{Code: 16, Index: 3, Body: []byte{1, 2}}))
	f.Add([]byte{17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, rest, err := NextVisual(b)
		if err == nil && !bytes.Equal(append(AppendVisual(nil, &fr), rest...), b) {
			t.Errorf("%x is read as %+v and %x", b, fr, rest)
		}
	})
}
