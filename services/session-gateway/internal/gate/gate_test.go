package gate

import (
	"errors"
	"testing"
)

func TestLimits(t *testing.T) {
	g := New(3, 2)
	leave, err := g.Enter("192.0.2.1:1000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Enter("[::ffff:192.0.2.1]:1001"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Enter("192.0.2.1:1002"); !errors.Is(err, ErrAddressFull) {
		t.Errorf("third of one address: %v", err)
	}
	if _, err := g.Enter("192.0.2.2:1"); err != nil {
		t.Errorf("another address: %v", err)
	}
	if _, err := g.Enter("192.0.2.3:1"); !errors.Is(err, ErrFull) {
		t.Errorf("fourth in all: %v", err)
	}
	leave()
	leave() // twice is once
	if g.Open() != 2 {
		t.Errorf("%d open, want 2", g.Open())
	}
	if _, err := g.Enter("192.0.2.1:1003"); err != nil {
		t.Errorf("after a place was given back: %v", err)
	}
}

func TestIPv6IsCountedByPrefix(t *testing.T) {
	g := New(10, 1)
	if _, err := g.Enter("[2001:db8:1:2::5]:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Enter("[2001:db8:1:2:ffff::9]:1"); !errors.Is(err, ErrAddressFull) {
		t.Errorf("same /64: %v", err)
	}
	if _, err := g.Enter("[2001:db8:1:3::5]:1"); err != nil {
		t.Errorf("another /64: %v", err)
	}
	if _, err := g.Enter("[fe80::1%eth0]:1"); err != nil {
		t.Error(err)
	}
	if _, err := g.Enter("nonsense"); err != nil {
		t.Error(err)
	}
}
