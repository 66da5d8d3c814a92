package ctlcmd

import (
	"slices"
	"testing"
)

func TestNamesAreOrderedAsPeopleCount(t *testing.T) {
	want := []string{"", "0", "Bar", "bar", "Bar 07", "bar 7a", "Bar 10", "Küche", "Room", "room 0", "Room 1", "Room 1 left", "Room 2", "Room 10", "Room 100000000000000000000", "Room x", "Zimmer"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int { return byName(a, "", b, "") })
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if byName("Room", "b", "Room", "a") <= 0 || byName("Room", "a", "Room", "a") != 0 {
		t.Error("the ids do not decide between names that are the same")
	}
	// An order is one: of three, none is before itself by way of the others.
	all := append(want, "Room 01", "Room 1", "1", "01a", "room 10a")
	for _, a := range all {
		for _, b := range all {
			if byName(a, "", b, "") != -byName(b, "", a, "") {
				t.Errorf("%q and %q are not the other way around", a, b)
			}
			for _, c := range all {
				if byName(a, "", b, "") < 0 && byName(b, "", c, "") < 0 && byName(a, "", c, "") >= 0 {
					t.Errorf("%q < %q < %q", a, b, c)
				}
			}
		}
	}
}
