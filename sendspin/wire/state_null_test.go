package wire

import (
	"bytes"
	"testing"
)

// A role object that is not part of an update is left out; null is no way to say so, and
// a client takes it for a mistake.
func TestServerStateHasNoNullObjects(t *testing.T) {
	for bits := range 8 {
		m := &ServerState{}
		if bits&1 != 0 {
			m.Metadata = &Metadata{Timestamp: 1}
		}
		if bits&2 != 0 {
			m.Controller = &ControllerState{SupportedCommands: []string{}, Repeat: RepeatOff}
		}
		if bits&4 != 0 {
			m.Color = &Color{Timestamp: 1}
		}
		b, err := Current().Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("null")) {
			t.Errorf("%s", b)
		}
	}
	for _, object := range []string{"metadata", "controller", "color"} {
		if _, err := Current().DecodeFromServer([]byte(`{"type":"server/state","payload":{"` + object + `":null}}`)); err == nil {
			t.Errorf("%s: null was taken", object)
		}
	}
}
