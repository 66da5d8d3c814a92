package idem

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
)

const credential = "tutti_a-token-of-many-random-bits"

// instances are what several instances know together.
type instances struct {
	t     *testing.T
	bus   *bus.Conn
	house *houseclock.Manual
	clock *clockwork.FakeClock
}

func newInstances(t *testing.T) *instances {
	return &instances{t: t, bus: bustest.Embedded(t), house: houseclock.NewManual(1_000_000_000), clock: clockwork.NewFakeClock()}
}

func (i *instances) open(id string) *Shared {
	i.t.Helper()
	s, err := OpenShared(i.t.Context(), i.bus, i.house, i.clock, id, slog.New(slog.DiscardHandler))
	if err != nil {
		i.t.Fatal(err)
	}
	return s
}

func (i *instances) begins(s *Shared, k Key, body string) *Ticket {
	i.t.Helper()
	a, ticket, err := s.Begin(i.t.Context(), credential, k, []byte(body))
	if err != nil || a != nil || ticket == nil {
		i.t.Fatalf("it does not begin: %+v, %v", a, err)
	}
	return ticket
}

func TestAnotherInstanceKnowsTheAnswer(t *testing.T) {
	w := newInstances(t)
	one, two := w.open("m1"), w.open("m2")
	w.begins(one, key(1), "body").Finish(t.Context(), &Answer{Status: 201, Header: http.Header{"Location": {"/x"}}, Body: []byte("a secret")})
	a, ticket, err := two.Begin(t.Context(), credential, key(1), []byte("body"))
	if err != nil || ticket != nil || a == nil || a.Status != 201 || string(a.Body) != "a secret" || a.Header.Get("Location") != "/x" {
		t.Errorf("another instance has %+v, %v", a, err)
	}
	if _, _, err := two.Begin(t.Context(), credential, key(1), []byte("other")); fault.CodeOf(err) != fault.OutOfRange {
		t.Errorf("with another body: %v", err)
	}
	if a, ticket, err := two.Begin(t.Context(), "another credential", key(1), []byte("other")); err != nil || a != nil || ticket == nil {
		t.Errorf("with another credential: %+v, %v", a, err)
	}
	if a, ticket, err := two.Begin(t.Context(), "", key(1), []byte("body")); err != nil || a != nil || ticket != nil {
		t.Errorf("without a credential: %+v, %v", a, err)
	}
}

// Whoever reads the bus learns neither the answer nor the request nor who made it.
func TestAnswersLieSealedOnTheBus(t *testing.T) {
	w := newInstances(t)
	k := Key{Actor: "user:Maria", Method: "POST", Path: "/api/v1/tokens", Key: "maria-1"}
	w.begins(w.open("m1"), k, "the body").Finish(t.Context(), &Answer{Status: 201, Body: []byte("the secret")})
	b, err := bus.OpenBucket[wrapperspb.BytesValue](t.Context(), w.bus, subject.BucketReplays, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := b.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	v, _, err := b.Get(t.Context(), keys[0])
	if err != nil {
		t.Fatal(err)
	}
	lies := append([]byte(keys[0]), v.GetValue()...)
	for _, s := range []string{"secret", "Maria", "maria-1", "tokens", "body", credential, "m1"} {
		if bytes.Contains(lies, []byte(s)) {
			t.Errorf("the bus holds %q", s)
		}
	}
}

func TestWhatFailedMayBeginElsewhere(t *testing.T) {
	w := newInstances(t)
	one, two := w.open("m1"), w.open("m2")
	w.begins(one, key(1), "").Finish(t.Context(), nil)
	w.begins(two, key(1), "").Finish(t.Context(), &Answer{Status: 200, Body: make([]byte, maxShared+1)})
	w.begins(one, key(1), "").Finish(t.Context(), &Answer{Status: 200})
	if a, _, err := two.Begin(t.Context(), credential, key(1), nil); err != nil || a == nil {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestWhatIsUnderWayElsewhereIsWaitedFor(t *testing.T) {
	w := newInstances(t)
	one, two := w.open("m1"), w.open("m2")
	ticket := w.begins(one, key(1), "")
	got := make(chan *Answer, 1)
	go func() {
		a, _, _ := two.Begin(t.Context(), credential, key(1), nil)
		got <- a
	}()
	if err := w.clock.BlockUntilContext(t.Context(), 1); err != nil { // it has looked, and waits
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := two.Begin(ctx, credential, key(1), nil)
		ended <- err
	}()
	if err := w.clock.BlockUntilContext(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; fault.CodeOf(err) != fault.Conflict {
		t.Errorf("whose request ended got %v", err)
	}
	ticket.Finish(t.Context(), &Answer{Status: 202})
	w.clock.Advance(pollEvery)
	if a := <-got; a == nil || a.Status != 202 {
		t.Errorf("the second got %+v", a)
	}
}

// Nobody knows how far an instance came that died: it begins anew, elsewhere after a while,
// and at once under the same name. The old one's word, if it comes, counts no more.
func TestWhatADeadInstanceBeganBeginsAnew(t *testing.T) {
	w := newInstances(t)
	one, two := w.open("m1"), w.open("m2")
	old := w.begins(one, key(1), "")
	w.house.Advance(Abandoned - time.Microsecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, _, err := two.Begin(ctx, credential, key(1), nil)
		ended <- err
	}()
	if err := w.clock.BlockUntilContext(t.Context(), 1); err != nil { // it has looked, and waits
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; fault.CodeOf(err) != fault.Conflict {
		t.Errorf("before its time: %v", err)
	}
	w.house.Advance(time.Microsecond)
	w.begins(two, key(1), "").Finish(t.Context(), &Answer{Status: 202})
	old.Finish(t.Context(), &Answer{Status: 500})
	if a, _, err := one.Begin(t.Context(), credential, key(1), nil); err != nil || a == nil || a.Status != 202 {
		t.Errorf("%+v, %v", a, err)
	}
	w.begins(one, key(2), "")
	w.begins(w.open("m1"), key(2), "") // restarted
}
