package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/internal/mono"
)

func TestTimeLeft(t *testing.T) {
	fresh := nats.Header{}
	putExpiry(fresh, time.Now().Add(time.Minute))
	if got := timeLeft(fresh); got > time.Minute || got < 50*time.Second {
		t.Errorf("fresh: got %v", got)
	}
	for name, tc := range map[string]struct {
		h    nats.Header
		want time.Duration
	}{
		"none":                     {nats.Header{}, RequestTimeout},
		"nonsense":                 {nats.Header{headerTimeout: {"x"}, headerExpires: {"y"}}, RequestTimeout},
		"another host":             {nats.Header{headerTimeout: {"1500"}, headerExpires: {"other-boot 1"}}, 1500 * time.Millisecond},
		"for ever":                 {nats.Header{headerTimeout: {"99999999999999"}}, maxRequestTimeout},
		"negative is no timeout":   {nats.Header{headerTimeout: {"-1"}}, RequestTimeout},
		"for ever on this host":    {nats.Header{headerExpires: {mono.BootID() + " 9000000000000000"}}, maxRequestTimeout},
		"headers of another shape": {nats.Header{headerExpires: {mono.BootID()}, headerTimeout: {"20"}}, 20 * time.Millisecond},
	} {
		if got := timeLeft(tc.h); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
	if got := timeLeft(nats.Header{headerExpires: {mono.BootID() + " 5"}}); got >= 0 {
		t.Errorf("passed long ago: got %v", got)
	}
}

func TestPattern(t *testing.T) {
	for in, want := range map[string]string{
		">": ">", "a.*": "a.*", "a.>": "a.>", "*.b c": "*.b=20c", "a>": "a=3E", "a.b": "a.b", "a.*x": "a.=2Ax",
	} {
		if got, err := escapePattern(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "a..*"} {
		if got, err := escapePattern(in); err == nil {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestReconnectDelay(t *testing.T) {
	for attempt := range 100 {
		if d := reconnectDelay(attempt); d < reconnectMin/2 || d > reconnectMax {
			t.Errorf("attempt %d: %v", attempt, d)
		}
	}
}

func TestEndpointName(t *testing.T) {
	for in, want := range map[string]string{
		"tutti.v1.pairing.credential": "credential", "tutti.v1.pairing.audit.list": "audit-list", "other.x": "other-x",
	} {
		if got := endpointName("pairing", in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// FuzzKey: every key comes back, stays apart from others, and is one that NATS takes.
func FuzzKey(f *testing.F) {
	f.Add("a.b", "a=2Eb")
	f.Add("..", " ")
	f.Fuzz(func(t *testing.T, a, b string) {
		ea, err := escapeKey(a)
		if err != nil {
			return
		}
		if unescapeKey(ea) != a {
			t.Fatalf("%q became %q and %q", a, ea, unescapeKey(ea))
		}
		if strings.HasPrefix(ea, ".") || strings.HasSuffix(ea, ".") || strings.Contains(ea, "..") || strings.ContainsAny(ea, " *>\t\r\n\x00$") {
			t.Fatalf("%q is no key for NATS: %q", a, ea)
		}
		if eb, err := escapeKey(b); err == nil && a != b && ea == eb {
			t.Fatalf("%q and %q share %q", a, b, ea)
		}
	})
}

// Instances that are slow because everybody asks are not asked many times as much.
func TestCopiesHaveABudget(t *testing.T) {
	var b budget
	b.fill()
	spent := func() (n int) {
		for b.spend() {
			n++
		}
		return n
	}
	if n := spent(); n != hedgeBudget {
		t.Errorf("%d copies at once, want %d", n, hedgeBudget)
	}
	for range 10 * hedgeShare {
		b.earn()
	}
	if n := spent(); n != 10 {
		t.Errorf("%d copies for %d answers, want 10", n, 10*hedgeShare)
	}
	for range 10 * hedgeBudget * hedgeShare {
		b.earn()
	}
	if n := spent(); n != hedgeBudget {
		t.Errorf("%d copies after a long time of answers, want %d", n, hedgeBudget)
	}
}

// silent does not answer.
type silent struct{ jetstream.JetStream }

func (silent) Stream(ctx context.Context, _ string) (jetstream.Stream, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Who waited for a stream in vain is told what is missing, also when the time is over in the
// middle of a look.
func TestAStreamThatNobodyMakesIsNamed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	c := &Conn{js: silent{}}
	err := c.awaitStream(ctx, "KV_later", errors.New("not allowed"))
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "KV_later does not exist yet") {
		t.Errorf("got %v", err)
	}
}
