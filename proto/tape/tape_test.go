package tape

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestChunkComesBackAsWritten(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		data := make([]byte, rnd.IntN(100))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		want := Chunk{
			Flags: uint8(rnd.IntN(4)), Epoch: rnd.Uint64(), TimestampUS: rnd.Int64() - rnd.Int64(),
			DurationUS: rnd.Uint32(), Frames: rnd.Uint32(), MediaEndMS: rnd.Int64(), Fence: uint64(rnd.IntN(2)) * rnd.Uint64(),
			ItemID: strings.Repeat("x", rnd.IntN(256)), Data: data,
		}
		got, err := Parse(Append([]byte("before"), &want)[6:])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("audio differs: got %x want %x", got.Data, want.Data)
		}
		got.Data, want.Data = nil, nil
		if got.Epoch != want.Epoch || got.TimestampUS != want.TimestampUS || got.ItemID != want.ItemID || got.Flags != want.Flags ||
			got.DurationUS != want.DurationUS || got.Fence != want.Fence || got.Frames != want.Frames || got.MediaEndMS != want.MediaEndMS {
			t.Fatalf("got %+v want %+v", got, want)
		}
	}
}

func TestEveryTruncationOfTheHeaderIsMalformed(t *testing.T) {
	full := Append(nil, &Chunk{ItemID: "abc", Data: []byte{1}})
	fenced := Append(nil, &Chunk{ItemID: "abc", Fence: 7, Data: []byte{1}})
	for _, b := range [][]byte{full[:fixed+3], fenced[:fixedFenced+3]} {
		for n := range b {
			if _, err := Parse(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d bytes: got %v, want ErrMalformed", n, err)
			}
		}
	}
	full[0] = 3
	if _, err := Parse(full); !errors.Is(err, ErrMalformed) {
		t.Fatalf("another version: got %v, want ErrMalformed", err)
	}
}

func TestALongItemIDIsCut(t *testing.T) {
	c, err := Parse(Append(nil, &Chunk{ItemID: strings.Repeat("y", 300), Data: []byte("z")}))
	if err != nil || len(c.ItemID) != 255 || string(c.Data) != "z" {
		t.Fatalf("got id of %d bytes, data %q, %v", len(c.ItemID), c.Data, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Append(nil, &Chunk{Epoch: 1, TimestampUS: 2, ItemID: "id", Data: []byte("audio")}))
	f.Add(Append(nil, &Chunk{Epoch: 1, Fence: 9, ItemID: "id", Data: []byte("audio")}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(Append(nil, &c), b) {
			t.Fatalf("%x parses, but is not what Append writes", b)
		}
	})
}
