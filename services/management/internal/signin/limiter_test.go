package signin

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/users"
)

// guess counts how many wrong tries of w are looked at until one is refused.
func guess(l *limits, w who, now time.Time, most int) (looked int, wait time.Duration) {
	for looked < most {
		wait, ok := l.begin(w, now)
		if !ok {
			return looked, wait
		}
		looked++
	}
	return looked, 0
}

func TestWaitsGrow(t *testing.T) {
	l, w, now := newLimits(), who{"192.0.2.1", "maria"}, time.Unix(1000, 0)
	n, wait := guess(l, w, now, 100)
	if n != pairFree || wait <= 0 || wait > pairFirst {
		t.Fatalf("%d tries at once, then %s", n, wait)
	}
	last := wait
	for range 12 { // one try after each wait: each is longer, up to the limit
		now = now.Add(last)
		if n, wait = guess(l, w, now, 100); n != 1 || wait < last || wait > pairMost {
			t.Fatalf("%d tries after %s, then a wait of %s", n, last, wait)
		}
		last = wait
	}
	if last != pairMost {
		t.Errorf("the longest wait is %s, want %s", last, pairMost)
	}
	if n, _ := guess(l, w, now.Add(2*pairForget), 100); n != pairFree {
		t.Errorf("%d tries at once after a long time, want %d", n, pairFree)
	}
}

func TestARightPasswordIsNoGuess(t *testing.T) {
	l, w, now := newLimits(), who{"192.0.2.1", "maria"}, time.Unix(1000, 0)
	for range 10 * addressBurst {
		if _, ok := l.begin(w, now); !ok {
			t.Fatal("who knows the password is refused")
		}
		l.right(w, now)
	}
}

// TestAStrangerLocksNobodyOut: whatever a stranger tries, the person goes on signing in
// from where they signed in before.
func TestAStrangerLocksNobodyOut(t *testing.T) {
	l, now := newLimits(), time.Unix(1000, 0)
	home := who{"192.0.2.1", "maria"}
	l.begin(home, now)
	l.right(home, now)
	tried := 0
	for i := range 1000 { // from many addresses at once
		n, _ := guess(l, who{fmt.Sprint("198.51.100.", i), "maria"}, now, pairFree)
		tried += n
	}
	if tried > nameBurst {
		t.Errorf("%d guesses of one name at once, want %d", tried, nameBurst)
	}
	if _, ok := l.begin(home, now); !ok {
		t.Error("the person is locked out at home")
	}
	if n, _ := guess(l, who{"203.0.113.9", "maria"}, now.Add(2*nameRefill), 100); n == 0 {
		t.Error("the person is locked out elsewhere for good")
	}
	// One address, many names.
	tried = 0
	for i := range 1000 {
		n, _ := guess(l, who{"203.0.113.7", fmt.Sprint("name ", i)}, now, 1)
		tried += n
	}
	if tried != addressBurst {
		t.Errorf("%d guesses from one address at once, want %d", tried, addressBurst)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l, now := newLimits(), time.Unix(1000, 0)
	home := who{"192.0.2.1", "maria"}
	l.begin(home, now)
	l.right(home, now)
	for i := range 2 * maxKept {
		l.begin(who{fmt.Sprint("a", i), fmt.Sprint("n", i)}, now.Add(time.Duration(i)*time.Second))
	}
	if len(l.pairs) > maxKept || len(l.addresses) > maxKept || len(l.names) > maxKept {
		t.Errorf("%d pairs, %d addresses, %d names", len(l.pairs), len(l.addresses), len(l.names))
	}
	if p := l.pairs[home]; p == nil || !p.known {
		t.Error("strangers pushed out who is known")
	}
}

func TestLinesAreFew(t *testing.T) {
	l, now, written := newLimits(), time.Unix(1000, 0), 0
	for range 1000 {
		if write, _ := l.wrong(now); write {
			written++
		}
	}
	if written != lineBurst {
		t.Errorf("%d lines, want %d", written, lineBurst)
	}
	if write, n := l.wrong(now.Add(lineRefill)); !write || n != 1000-lineBurst {
		t.Errorf("a minute later: %t, %d not listed", write, n)
	}
}

// FuzzCookie feeds the readers of what strangers send: cookies, content types, names and
// codes.
func FuzzCookie(f *testing.F) {
	for _, s := range []string{"tutti_session=x", "tutti_session=" + users.NewCode(), "a=b; tutti_session=\"q\"; tutti_session=;", ";;=;", "Maria", "\x00"} {
		f.Add(s, "application/json")
	}
	f.Fuzz(func(t *testing.T, s, contentType string) {
		r := &http.Request{Method: http.MethodPost, Header: http.Header{"Cookie": {s}, "Content-Type": {contentType}}, ContentLength: 1}
		got := secrets(r)
		if len(got) > maxCookies {
			t.Fatalf("%d secrets", len(got))
		}
		for _, x := range got {
			if len(x) != secretLength {
				t.Fatalf("a secret of %d bytes", len(x))
			}
		}
		_ = CheckOrigin(r)
		if n, err := users.CheckName(s, "x"); err == nil {
			if again, err := users.CheckName(n, "x"); err != nil || again != n || users.Fold(n) != users.Fold(s) {
				t.Fatalf("CheckName(%q) = %q, of that %q, %v", s, n, again, err)
			}
		}
	})
}
