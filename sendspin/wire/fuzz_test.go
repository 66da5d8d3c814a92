package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"
)

func seedGoldens(f *testing.F, client bool) {
	for _, g := range goldens() {
		if g.client == client {
			f.Add([]byte(g.json))
		}
	}
	f.Add([]byte(`{"type":"client/time","payload":{"client_transmitted":1e9}}`))
	f.Add([]byte(`{"type":"a\u0000\ud800","payload":{"\"":[[{}]]}}`))
}

func FuzzDecodeFromClient(f *testing.F) {
	seedGoldens(f, true)
	f.Fuzz(func(t *testing.T, b []byte) { checkDecode(t, true, b) })
}

func FuzzDecodeFromServer(f *testing.F) {
	seedGoldens(f, false)
	f.Fuzz(func(t *testing.T, b []byte) { checkDecode(t, false, b) })
}

// checkDecode verifies what holds for any input: an error of the documented type,
// or a message; and a message that can be encoded comes back the same.
func checkDecode(t *testing.T, client bool, b []byte) {
	in := bytes.Clone(b)
	m, err := decodeFrom(client, b)
	if !bytes.Equal(in, b) {
		t.Fatal("the input was changed")
	}
	var fe *FieldError
	if err != nil {
		if !errors.As(err, &fe) || fe.Error() == "" {
			t.Fatalf("error of type %T", err)
		}
		return
	}
	out, err := Current().Encode(m)
	if err != nil {
		return // lenient decoding admits what strict encoding refuses
	}
	back, err := decodeFrom(client, out)
	if err != nil {
		t.Fatalf("%s does not decode: %v", out, err)
	}
	// Ignored is not on the wire.
	for _, v := range []Message{m, back} {
		if n, ok := v.(interface{ note([]string) }); ok {
			n.note(nil)
		}
	}
	normalize(m)
	normalize(back)
	if !reflect.DeepEqual(m, back) {
		t.Fatalf("%s\n got %+v\nwant %+v", out, back, m)
	}
}

// normalize evens out what two spellings of the same message may differ in.
func normalize(m Message) {
	switch m := m.(type) {
	case *ClientHello:
		if m.Player != nil {
			for i := range m.Player.Formats {
				opusDepth(&m.Player.Formats[i])
			}
		}
		if d := m.DeviceInfo; d != nil && *d == (DeviceInfo{}) {
			m.DeviceInfo = nil
		}
		for _, s := range []*SecretMethod{m.PairMethods.PSK, m.PairMethods.StaticCode} {
			if s != nil && len(s.Locations) == 0 {
				s.Locations = nil
			}
		}
	case *ServerHello:
		if len(m.Languages) == 0 {
			m.Languages = nil
		}
	case *ClientState:
		if m.Player != nil && m.Player.Format != nil {
			opusDepth(m.Player.Format)
		}
	case *StreamStart:
		if m.Player != nil {
			opusDepth(&m.Player.Format)
		}
	case *ClientStreamStart:
		opusDepth(&m.Source.Format)
	}
}

func opusDepth(f *AudioFormat) {
	if f.Codec == CodecOpus {
		f.BitDepth = 0
	}
}

func FuzzParseClientInit(f *testing.F) {
	seedGoldens(f, true)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseClientInit(b)
		var ie *InitError
		if err != nil && !errors.As(err, &ie) {
			t.Fatalf("error of type %T", err)
		}
		if err == nil && (m.Version != 1 || len(m.ClientID) != 43) {
			t.Fatalf("%+v", m)
		}
	})
}

// FuzzScan compares the JSON walker with encoding/json.
func FuzzScan(f *testing.F) {
	seedGoldens(f, true)
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) || !utf8.Valid(b) || firstByte(b) != '{' {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(b, &want); err != nil {
			return
		}
		o := obj{d: &dec{}, fields: members(trimSpace(b))}
		seen := map[string]bool{}
		for _, fl := range o.fields {
			seen[string(fl.key)] = true
		}
		if len(seen) != len(want) {
			t.Fatalf("%d members, want %d", len(seen), len(want))
		}
		for k, v := range want {
			if !bytes.Equal(trimSpace(v), o.get(k)) {
				t.Fatalf("member %q is %s, want %s", k, o.get(k), v)
			}
		}
	})
}

func FuzzParseBinary(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 9}, 0)
	f.Add([]byte{12, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 0)
	f.Add([]byte{8, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}, 0)
	f.Add([]byte{11, 1}, 0)
	f.Add([]byte{19, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5}, 1)
	f.Add([]byte{18, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5, 0, 6}, 1)
	f.Fuzz(func(t *testing.T, b []byte, bins int) {
		bins &= 255
		if len(b) == 0 {
			return
		}
		id, payload := b[0], b[1:]
		if c, err := ParseAudioChunk(payload); err == nil {
			out := make([]byte, AudioHeaderLen)
			PutAudioHeader(out, c.Timestamp, c.SendAhead)
			if !bytes.Equal(append(out, c.Data...)[1:], payload) {
				t.Fatal("audio chunk does not come back")
			}
		}
		if c, err := ParseSourceChunk(payload); err == nil && !bytes.Equal(AppendSourceChunk(nil, c.Timestamp, c.Data)[1:], payload) {
			t.Fatal("source chunk does not come back")
		}
		if m, err := ParseArtwork(id, payload); err == nil && !bytes.Equal(AppendArtwork(nil, m), b) {
			t.Fatal("artwork message does not come back")
		}
		if v, err := ParseVisual(id, payload, bins); err == nil {
			out := AppendVisual(nil, v)
			if v.ID == IDBeat {
				out[9] |= b[9] &^ 1 // reserved bits are ignored
			}
			if !bytes.Equal(out, b) {
				t.Fatal("visualizer message does not come back")
			}
		}
	})
}
