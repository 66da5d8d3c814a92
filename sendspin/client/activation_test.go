package client

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// table is the specification's table of allowed activity sets, written out.
func table(cat noise.Category, access bool) [][]string {
	sets := [][]string{{}}
	if cat == noise.LongTerm {
		return append(sets, []string{"playback"})
	}
	sets = append(sets, []string{"pairing"})
	if access {
		sets = append(sets, []string{"playback"}, []string{"playback", "pairing"})
	}
	return sets
}

func inTable(cat noise.Category, access bool, set []string) bool {
	set = slices.Sorted(slices.Values(set))
	return slices.ContainsFunc(table(cat, access), func(s []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(s)), set)
	})
}

// literal is section server/activate in its own order, against the table.
func literal(cat noise.Category, access bool, m *wire.ServerActivate, offered bool) verdict {
	capable := func(access bool) bool {
		set := m.Activities
		if !slices.Contains(set, "playback") {
			set = append(slices.Clone(set), "playback")
		}
		return inTable(cat, access, set)
	}
	method := true
	if slices.Contains(m.Activities, "pairing") {
		method = offered && (m.Pairing.Method == wire.MethodPSK) == (cat == noise.Pairing)
	}
	ok := func(access bool) bool {
		return inTable(cat, access, m.Activities) && (len(m.ActiveRoles) == 0 || capable(access)) && method
	}
	switch {
	case ok(access):
		return admissible
	case cat != noise.LongTerm && !access && ok(true):
		return pairingRequired
	case !inTable(cat, access, m.Activities) || len(m.ActiveRoles) > 0 && !capable(access):
		return unauthorized
	}
	return methodRefused
}

func TestAdmissibilityIsTheSpecifications(t *testing.T) {
	sets := [][]string{{}, {"playback"}, {"pairing"}, {"playback", "pairing"}, {"pairing", "playback"}, {"dreaming"}, {"playback", "dreaming"}, {"playback", "playback"}}
	offers := wire.PairMethods{PSK: &wire.SecretMethod{}, DynamicCode: &wire.DynamicMethod{OutChannels: []string{"display"}, Formats: []string{"digits"}}}
	seen := map[verdict]int{}
	for _, cat := range []noise.Category{noise.LongTerm, noise.Pairing, noise.Sentinel} {
		for _, access := range []bool{false, true} {
			for _, set := range sets {
				for _, roles := range [][]string{nil, {}, {"player@v1"}} {
					for _, p := range []wire.ActivatePairing{{Method: "pairing_psk"}, {Method: "static_pairing_code"}, {Method: "dynamic_pairing_code", Format: "digits"}, {Method: "dynamic_pairing_code", Format: "qr_code"}, {Method: "telepathy"}} {
						m := &wire.ServerActivate{Activities: set, ActiveRoles: roles}
						if m.Has("pairing") {
							m.Pairing = &p
						}
						offered := p.Method == "pairing_psk" || p.Method == "dynamic_pairing_code" && p.Format == "digits"
						want := literal(cat, access, m, offered)
						got := activation{matched: cat, unpaired: access, offers: offers, msg: m, roles: roles}.judge()
						seen[got]++
						if got != want {
							t.Errorf("%s access %v %v %v %+v: %d, want %d", cat, access, set, roles, p, got, want)
						}
					}
				}
			}
		}
	}
	for v := admissible; v <= methodRefused; v++ {
		if seen[v] == 0 {
			t.Errorf("verdict %d never came up", v)
		}
	}
}

func TestWorkedExample(t *testing.T) {
	m := &wire.ServerActivate{Activities: []string{"playback"}, ActiveRoles: []string{"player@v1"}}
	a := activation{matched: noise.Sentinel, msg: m, roles: m.ActiveRoles}
	if got := a.judge(); got != pairingRequired {
		t.Errorf("%d, want pairing_required", got)
	}
}

func TestDisplacement(t *testing.T) {
	none, pairing, playback := []string{}, []string{"pairing"}, []string{"playback", "pairing"}
	for _, c := range []struct {
		in, holder []string
		inID, hID  string
		want       bool
	}{
		{playback, none, "a", "b", true}, {playback, pairing, "a", "b", true}, {playback, playback, "a", "b", true},
		{pairing, none, "a", "b", true}, {pairing, pairing, "a", "b", true}, {pairing, playback, "a", "b", false},
		{none, pairing, "a", "b", false}, {none, playback, "last", "b", false},
		{none, none, "a", "b", false}, {none, none, "last", "b", true}, {none, none, "last", "last", false}, {none, none, "a", "last", false},
	} {
		got := contender{serverID: c.inID, activities: c.in}.displaces(contender{serverID: c.hID, activities: c.holder}, "last")
		if got != c.want {
			t.Errorf("%s: displaces %v", fmt.Sprint(c), got)
		}
		attempting := contender{serverID: c.hID, activities: c.holder, attempting: true}
		if rank(c.in) != rankEmpty && (contender{serverID: c.inID, activities: c.in}).displaces(attempting, "last") {
			t.Errorf("%s: displaces an attempt", fmt.Sprint(c))
		}
	}
	if !(contender{activities: pairing}).standsBeside(contender{activities: playback}) || (contender{activities: playback}).standsBeside(contender{activities: playback}) {
		t.Error("pairing, and nothing else, stands beside playback")
	}
}
