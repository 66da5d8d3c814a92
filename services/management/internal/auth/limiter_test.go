package auth

import (
	"fmt"
	"testing"
	"time"
)

func TestGuessesRunOutAndComeBack(t *testing.T) {
	l := limits{byAddr: map[string]*offender{}}
	now := time.Unix(1000, 0)
	guess := func(i int) bool {
		h := HashOf(fmt.Sprint("guess ", i))
		_, ok := l.allow("a", h, now)
		if ok {
			l.failed("a", h, now)
		}
		return ok
	}
	n := 0
	for guess(n) {
		n++
	}
	if n != guessBurst {
		t.Errorf("%d guesses at once, want %d", n, guessBurst)
	}
	if wait, ok := l.allow("a", HashOf("right"), now); ok || wait <= 0 || wait > guessRefill {
		t.Errorf("allow = %s, %v", wait, ok)
	}
	if _, ok := l.allow("b", HashOf("right"), now); !ok {
		t.Error("another address is limited, too")
	}
	now = now.Add(3 * guessRefill)
	m := 0
	for guess(1000 + m) {
		m++
	}
	if m != 3 {
		t.Errorf("%d guesses after three refills", m)
	}
	now = now.Add(time.Hour)
	m = 0
	for guess(2000 + m) {
		m++
	}
	if m != guessBurst {
		t.Errorf("%d guesses after an hour, want %d", m, guessBurst)
	}
}

func TestAStaleTokenIsNoGuesser(t *testing.T) {
	l := limits{byAddr: map[string]*offender{}}
	now := time.Unix(1000, 0)
	stale := HashOf("stale")
	refused := 0
	for range 10 * staleBurst {
		if _, ok := l.allow("a", stale, now); ok {
			l.failed("a", stale, now)
		} else {
			refused++
		}
	}
	if want := 10*staleBurst - staleBurst; refused != want {
		t.Errorf("refused %d, want %d", refused, want)
	}
	if _, ok := l.allow("a", HashOf("right"), now); !ok {
		t.Error("a script with an old token locks the others out")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := limits{byAddr: map[string]*offender{}}
	now := time.Unix(1000, 0)
	for i := range 2 * maxAddresses {
		now = now.Add(time.Millisecond)
		for j := range 2 * staleKept {
			if i%1000 == 0 || j == 0 {
				l.failed(fmt.Sprint(i), HashOf(fmt.Sprint(j)), now)
			}
		}
	}
	if len(l.byAddr) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(l.byAddr))
	}
	if _, kept := l.byAddr[fmt.Sprint(2*maxAddresses-1)]; !kept {
		t.Error("the newest address was forgotten")
	}
	for a, o := range l.byAddr {
		if len(o.stale) > staleKept {
			t.Errorf("%s: %d tokens are remembered", a, len(o.stale))
		}
	}
}
