package mdns

import (
	"net/netip"
	"strings"
	"testing"
)

func TestLabel(t *testing.T) {
	for _, tc := range []struct{ name, suffix, want string }{
		{"Tutti", "abc-8927", "Tutti-abc-8927"},
		{"Dr. Who's  Home", "x", "Dr-Who-s-Home-x"},
		{"音楽", "x", "tutti-x"},
		{"", "", "tutti"},
		{strings.Repeat("long ", 40), "abcdef-8927", strings.Repeat("long-", 10) + "l-abcdef-8927"},
	} {
		got := Label(tc.name, tc.suffix)
		if got != tc.want || len(got) > 63 {
			t.Errorf("%q %q: got %q, want %q", tc.name, tc.suffix, got, tc.want)
		}
	}
}

func TestSame(t *testing.T) {
	a := Link{Name: "eth0", Index: 2, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}
	for _, b := range []Link{
		{Name: "eth1", Index: 2, Prefixes: a.Prefixes},
		{Name: "eth0", Index: 3, Prefixes: a.Prefixes},
		{Name: "eth0", Index: 2},
		{Name: "eth0", Index: 2, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}},
	} {
		if a.Same(b) {
			t.Errorf("%v and %v are the same", a, b)
		}
	}
	if !a.Same(a) {
		t.Error("a link is not itself")
	}
}

func TestRealInterfaces(t *testing.T) {
	links, err := Zeroconf{}.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == "" || l.Index == 0 || len(l.Prefixes) == 0 {
			t.Errorf("link %+v", l)
		}
	}
}
