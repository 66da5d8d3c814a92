package trust

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// fakeBus answers for pairing.
type fakeBus struct {
	mu      sync.Mutex
	key     *noise.PrivateKey
	psk     noise.PSK
	away    error
	lost    bool
	foreign bool // seal to somebody else
	ends    time.Time
	until   bool // approved until disconnect
	former  []*noise.PrivateKey
	as      string // server_id that a credential names
	asked   int
	during  func() // runs while a question is on its way
}

func (f *fakeBus) Healthy() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		return fault.New(fault.Unavailable, "lost")
	}
	return nil
}

func (f *fakeBus) RequestAny(ctx context.Context, subject string, req, resp proto.Message) error {
	return f.Request(ctx, subject, req, resp)
}

func (f *fakeBus) Request(_ context.Context, _ string, req, resp proto.Message) error {
	if f.during != nil {
		f.during()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.away != nil {
		return f.away
	}
	switch req := req.(type) {
	case *tuttiv1.IdentityRequest:
		r := resp.(*tuttiv1.IdentityResponse)
		r.ServerId, r.SealedPrivateKey = f.key.Public().ID(), f.seal(f.key.Bytes(), req.GetRecipientKey())
		for _, key := range f.former {
			r.Former = append(r.Former, &tuttiv1.SealedIdentity{
				ServerId: key.Public().ID(), SealedPrivateKey: f.seal(key.Bytes(), req.GetRecipientKey()),
			})
		}
	case *tuttiv1.CredentialRequest:
		r := resp.(*tuttiv1.CredentialResponse)
		r.Category, r.ServerId = "sn", f.as
		if !f.psk.IsZero() {
			r.Category, r.SealedPsk = "lt", f.seal(f.psk.Bytes(), req.GetRecipientKey())
		}
	case *tuttiv1.AdmitRequest:
		r := resp.(*tuttiv1.AdmitResponse)
		r.State, r.ReportEnd = tuttiv1.TrustState_TRUST_STATE_APPROVED, f.until
		if !f.ends.IsZero() {
			r.EndsAt = timestamppb.New(f.ends)
		}
	}
	return nil
}

func (f *fakeBus) seal(secret, to []byte) []byte {
	var pub [32]byte
	copy(pub[:], to)
	if f.foreign {
		pub[0] ^= 1
	}
	out, _ := box.SealAnonymous(nil, secret, &pub, rand.Reader)
	return out
}

func (f *fakeBus) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func setup(t *testing.T) (*Client, *fakeBus, *clockwork.FakeClock) {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, clock := &fakeBus{key: key}, clockwork.NewFakeClock()
	c, err := New(Options{Bus: f, InstanceID: "gw", Memory: 10 * time.Minute, Clock: clock,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return c, f, clock
}

var away = fault.New(fault.Unavailable, "nobody answers")

func TestIdentity(t *testing.T) {
	c, f, clock := setup(t)
	f.away = away
	got := make(chan *noise.PrivateKey, 1)
	go func() {
		k, _ := c.Identity(t.Context())
		got <- k
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal("it does not ask again")
	}
	f.set(func() { f.away = nil })
	clock.Advance(time.Second)
	if k := <-got; k == nil || k.Public() != f.key.Public() {
		t.Error("another key came back")
	}
	f.foreign = true
	if _, err := c.identity(t.Context()); err == nil {
		t.Error("a key that is sealed to another instance was opened")
	}
}

func TestCredentialFromPairingAndFromMemory(t *testing.T) {
	c, f, clock := setup(t)
	f.psk, _ = noise.GeneratePSK(nil)
	cred, _, err := c.Credential(t.Context(), "dev")
	if err != nil || cred.Category != noise.LongTerm || !cred.PSK.Equal(f.psk) {
		t.Fatalf("credential %v, %v", cred.Category, err)
	}
	f.away = away
	if cred, _, err := c.Credential(t.Context(), "dev"); err != nil || !cred.PSK.Equal(f.psk) {
		t.Errorf("from memory: %v", err)
	}
	if _, _, err := c.Credential(t.Context(), "stranger"); err == nil {
		t.Error("a stranger got a credential while pairing is away")
	}
	f.away = fault.New(fault.Internal, "broken")
	if _, _, err := c.Credential(t.Context(), "dev"); err == nil {
		t.Error("memory must not stand in for an answer that is an error")
	}
	f.away = away
	clock.Advance(11 * time.Minute)
	if _, _, err := c.Credential(t.Context(), "dev"); err == nil {
		t.Error("remembered beyond the bound")
	}
}

// A credential may name a former identity of the server; one that this instance has not
// heard of is asked for, and what pairing does not hand out is no identity.
func TestCredentialNamesTheIdentity(t *testing.T) {
	c, f, _ := setup(t)
	first := f.key
	if _, err := c.identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown := func() *noise.PrivateKey {
		t.Helper()
		_, key, err := c.Credential(t.Context(), "dev")
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	if shown() != c.Current() {
		t.Error("not the current identity")
	}
	// The server's key rotates; the settings say so first.
	next, _ := noise.GenerateKey(nil)
	f.key, f.former = next, []*noise.PrivateKey{first}
	c.Expect(next.Public().ID())
	if key := shown(); key.Public() != next.Public() || c.Current().Public() != next.Public() {
		t.Error("not the new identity")
	}
	f.as = first.Public().ID()
	if key := shown(); key.Public() != first.Public() {
		t.Error("not the former identity that the device knows")
	}
	f.away = away
	if key := shown(); key.Public() != first.Public() {
		t.Error("memory names another identity")
	}
	f.away = nil
	other, _ := noise.GenerateKey(nil)
	f.as = other.Public().ID()
	if _, _, err := c.Credential(t.Context(), "dev"); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("an identity that nobody hands out: %v", err)
	}
}

func TestOpenPSK(t *testing.T) {
	c, f, _ := setup(t)
	psk, _ := noise.GeneratePSK(nil)
	got, err := c.OpenPSK(f.seal(psk.Bytes(), c.RecipientKey()))
	if err != nil || !got.Equal(psk) {
		t.Errorf("opened: %v", err)
	}
	f.foreign = true
	if _, err := c.OpenPSK(f.seal(psk.Bytes(), c.RecipientKey())); err == nil {
		t.Error("a PSK that is sealed to another instance was opened")
	}
	f.foreign = false
	if _, err := c.OpenPSK(f.seal([]byte("short"), c.RecipientKey())); err == nil {
		t.Error("five bytes are no PSK")
	}
}

func TestForgetting(t *testing.T) {
	c, f, clock := setup(t)
	ask := func() error { _, _, err := c.Credential(t.Context(), "dev"); return err }
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	f.away = away
	c.Forget("dev")
	if ask() == nil {
		t.Error("remembered after trust changed")
	}
	// Trust changes while the answer is on its way: the answer must not be kept.
	f.away, f.during = nil, func() { c.Forget("dev") }
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	f.away, f.during = away, nil
	if ask() == nil {
		t.Error("an answer from before the change was kept")
	}
	// The bus is lost for longer than the bound: no change of trust could be heard.
	f.away = nil
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	f.away = away
	f.lost = true
	c.look()
	clock.Advance(9 * time.Minute)
	c.look()
	if ask() != nil {
		t.Error("forgotten before the bound")
	}
	clock.Advance(61 * time.Second)
	c.look()
	if ask() == nil {
		t.Error("remembered although the bus is lost for too long")
	}
}

func TestAdmissionFromMemoryIsForTheSameStanding(t *testing.T) {
	c, f, _ := setup(t)
	req := &tuttiv1.AdmitRequest{ClientId: "dev", PskCategory: "lt"}
	if _, err := c.Admit(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	f.away = away
	if r, err := c.Admit(t.Context(), req); err != nil || r.GetState() != tuttiv1.TrustState_TRUST_STATE_APPROVED {
		t.Errorf("from memory: %v", err)
	}
	for name, other := range map[string]*tuttiv1.AdmitRequest{
		"another PSK":           {ClientId: "dev", PskCategory: "sn"},
		"a credential mismatch": {ClientId: "dev", PskCategory: "lt", CredentialMismatch: true},
		"a live session":        {ClientId: "dev", PskCategory: "lt", Refresh: true},
	} {
		if _, err := c.Admit(t.Context(), other); err == nil {
			t.Errorf("%s was admitted from memory", name)
		}
	}
}

// TestAnApprovalEndsInMemoryToo: pairing cannot say so while it is away.
func TestAnApprovalEndsInMemoryToo(t *testing.T) {
	c, f, clock := setup(t)
	req := &tuttiv1.AdmitRequest{ClientId: "dev", PskCategory: "sn"}
	ask := func() error { _, err := c.Admit(t.Context(), req); return err }
	f.ends = clock.Now().Add(time.Minute)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	f.away = away
	clock.Advance(time.Minute - 1)
	if err := ask(); err != nil {
		t.Errorf("before its end: %v", err)
	}
	clock.Advance(1)
	if ask() == nil {
		t.Error("an approval outlived its end in memory")
	}
	f.away, f.ends, f.until = nil, time.Time{}, true
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	f.away = away
	if ask() == nil {
		t.Error("an approval until disconnect was given to another session from memory")
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	c, _, _ := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Watch(ctx) }()
	cancel()
	<-done
}

// An instance of pairing that was cut off is asked for as long as NATS does not know of it: the
// other one answers meanwhile.
func TestAnInstanceOfPairingThatIsGoneHoldsNobodyUp(t *testing.T) {
	c := bustest.Embedded(t)
	srv, err := c.NewService("pairing", "1", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	var asked atomic.Int64
	if err := bus.Handle(srv, subject.PairingAdmit, func(ctx context.Context, _ *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error) {
		if asked.Add(1) == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &tuttiv1.AdmitResponse{State: tuttiv1.TrustState_TRUST_STATE_APPROVED}, nil
	}); err != nil {
		t.Fatal(err)
	}
	client, err := New(Options{Bus: c, InstanceID: "gw", Memory: time.Minute, Clock: clockwork.NewFakeClock(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.Admit(t.Context(), &tuttiv1.AdmitRequest{ClientId: "c"}); err != nil || got.GetState() != tuttiv1.TrustState_TRUST_STATE_APPROVED {
		t.Errorf("admitted as %v, %v", got, err)
	}
}
