package roster

import (
	"errors"
	"slices"
	"testing"
)

func TestOnlyTheServersOwnRosterNamesSuccessors(t *testing.T) {
	first := sample(2)
	first.Kind, first.Seq = Server, 5
	us, next := first.Devices[0].String(), first.Devices[1].String()
	with := func(change func(*Roster)) string {
		r := sample(2)
		r.Kind, r.Seq = Server, 6
		change(&r)
		return sign(t, r, keyOf(1))
	}
	known := sign(t, first, keyOf(1))
	stranger := sample(2)
	stranger.Kind, stranger.Key, stranger.Seq, stranger.ID = Server, [32]byte(pub(keyOf(9))), 9, NewID(pub(keyOf(9)))
	for _, tt := range []struct {
		what, known, text, server string
		want                      error
	}{
		{"the first one", "", known, us, nil},
		{"the same again", known, known, us, nil},
		{"a newer one, the other active", known, with(func(r *Roster) { r.Active = 1 }), us, nil},
		{"as the successor", known, with(func(r *Roster) { r.Active = 1 }), next, nil},
		{"an older one", known, with(func(r *Roster) { r.Seq = 4 }), us, ErrOld},
		{"an endpoint's", "", with(func(r *Roster) { r.Kind = Endpoint }), us, ErrPersona},
		{"without a server", "", with(func(r *Roster) { r.Devices = nil }), us, ErrFormat},
		{"of others", "", known, Device{7}.String(), ErrPersona},
		{"another persona's, though it lists us", known, sign(t, stranger, keyOf(9)), us, ErrPersona},
		{"nonsense", "", "TR1.", us, ErrFormat},
		{"after a damaged one", "TR1.", known, us, ErrFormat},
	} {
		got, err := VerifyServer(tt.known, tt.text, tt.server)
		if !errors.Is(err, tt.want) || err == nil && tt.want != nil {
			t.Errorf("%s: got %v, want %v", tt.what, err, tt.want)
		}
		if err == nil && (len(got) != 2 || !slices.Contains(got, us) || !slices.Contains(got, next)) {
			t.Errorf("%s: servers %v", tt.what, got)
		}
	}
	if got, _ := VerifyServer(known, with(func(r *Roster) { r.Active = 1 }), us); got[0] != next {
		t.Errorf("the active one comes first: %v", got)
	}
}
