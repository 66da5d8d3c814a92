package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// patience is how long a test waits for a fact.
const patience = time.Minute

// eventually polls f until it returns "", which means true; otherwise it returns
// what is still missing.
func eventually(t testing.TB, f func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		why := f()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not true: %s", why)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// steady is a house clock that starts at a big number, as real ones do.
type steady struct{ t0 time.Time }

func (s steady) NowMicros() int64      { return 7_000_000_000 + time.Since(s.t0).Microseconds() }
func (s steady) Info() houseclock.Info { return houseclock.Info{Leader: "test"} }

// rig is one gateway on an embedded bus, with pairing played by the test.
type rig struct {
	t       testing.TB
	bus     *bus.Conn
	house   steady
	svc     *Service
	pairing *pairingFake
	reg     *prometheus.Registry
	cancel  context.CancelFunc
	done    chan struct{}
	stop    func()
}

type rigOption func(*Config, *Deps)

func newRig(t testing.TB, opts ...rigOption) *rig {
	t.Helper()
	return newRigOn(t, bustest.Embedded(t), opts...)
}

func newRigOn(t testing.TB, b *bus.Conn, opts ...rigOption) *rig {
	t.Helper()
	r := &rig{t: t, bus: b, house: steady{time.Now()}, reg: prometheus.NewRegistry(), done: make(chan struct{})}
	r.pairing = startPairing(t, b)
	ensureTape(t, b)
	r.start(opts...)
	return r
}

func ensureTape(t testing.TB, b *bus.Conn) {
	t.Helper()
	if err := b.EnsureStream(t.Context(), bus.StreamConfig{
		Name: subject.StreamTape, Subjects: []string{subject.TapeAll}, Memory: true, MaxAge: 90 * time.Second,
	}); err != nil {
		t.Fatal(err)
	}
}

// start runs a gateway and waits until it is ready.
func (r *rig) start(opts ...rigOption) {
	t := r.t
	t.Helper()
	cfg := Config{InstanceID: "gw-1", Listen: "127.0.0.1:0"}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	deps := Deps{Bus: r.bus, House: r.house, Log: log, Registerer: r.reg}
	for _, o := range opts {
		o(&cfg, &deps)
	}
	svc, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.svc, r.cancel, r.done = svc, cancel, done
	go func() {
		defer close(done)
		if err := svc.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Error("Run does not return")
			<-done
		}
	})
	t.Cleanup(r.stop)
	eventually(t, func() string {
		if err := svc.Ready(); err != nil {
			return err.Error()
		}
		return ""
	})
}

func (r *rig) url() string { return "ws://" + r.svc.Addr() + "/sendspin" }

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Helper()
	defer func() { _ = recover() }() // a late line after the test's end
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// pairingFake answers for the pairing service.
type pairingFake struct {
	t   testing.TB
	b   *bus.Conn
	key *noise.PrivateKey

	mu       sync.Mutex
	state    tuttiv1.TrustState
	families []string
	of       map[string]*tuttiv1.AdmitResponse
	psk      map[string]noise.PSK
	asked    []*tuttiv1.AdmitRequest
	reports  []*tuttiv1.SessionReport
	former   []*noise.PrivateKey
	as       map[string]string // server_id to present
	stops    func()
}

func startPairing(t testing.TB, b *bus.Conn) *pairingFake {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &pairingFake{
		t: t, b: b, key: key, state: tuttiv1.TrustState_TRUST_STATE_APPROVED,
		families: []string{"player", "metadata", "controller"},
		of:       map[string]*tuttiv1.AdmitResponse{}, psk: map[string]noise.PSK{},
		as: map[string]string{},
	}
	p.start()
	return p
}

func (p *pairingFake) start() {
	p.t.Helper()
	svc, err := p.b.NewService("pairing", "0.0.1", "fake")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, err := range []error{
		bus.Handle(svc, subject.PairingIdentity, p.identity),
		bus.Handle(svc, subject.PairingCredential, p.credential),
		bus.Handle(svc, subject.PairingAdmit, p.admit),
		bus.Handle(svc, subject.PairingReport, p.report),
	} {
		if err != nil {
			p.t.Fatal(err)
		}
	}
	p.stops = sync.OnceFunc(func() { _ = svc.Stop() })
	p.t.Cleanup(p.stops)
}

func seal(secret, recipient []byte) ([]byte, error) {
	var pub [32]byte
	copy(pub[:], recipient)
	return box.SealAnonymous(nil, secret, &pub, rand.Reader)
}

func (p *pairingFake) identity(_ context.Context, req *tuttiv1.IdentityRequest) (*tuttiv1.IdentityResponse, error) {
	sealed, err := seal(p.key.Bytes(), req.GetRecipientKey())
	resp := &tuttiv1.IdentityResponse{ServerId: p.key.Public().ID(), SealedPrivateKey: sealed}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range p.former {
		sealed, failed := seal(key.Bytes(), req.GetRecipientKey())
		resp.Former = append(resp.Former, &tuttiv1.SealedIdentity{ServerId: key.Public().ID(), SealedPrivateKey: sealed})
		err = errors.Join(err, failed)
	}
	return resp, err
}

func (p *pairingFake) report(_ context.Context, r *tuttiv1.SessionReport) (*tuttiv1.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reports = append(p.reports, r)
	return &tuttiv1.Empty{}, nil
}

// waitReport waits for a report of this kind.
func (p *pairingFake) waitReport(client string, event tuttiv1.SessionEvent) *tuttiv1.SessionReport {
	p.t.Helper()
	var found *tuttiv1.SessionReport
	eventually(p.t, func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, r := range p.reports {
			if r.GetClientId() == client && r.GetEvent() == event {
				found = r
				return ""
			}
		}
		return fmt.Sprintf("no report %v among %v", event, p.reports)
	})
	return found
}

// say answers one client's admission like this from now on, and announces a change.
func (p *pairingFake) say(client, kind string, a *tuttiv1.AdmitResponse) {
	p.t.Helper()
	p.mu.Lock()
	p.of[client] = a
	p.mu.Unlock()
	if kind == "" {
		return
	}
	err := p.b.PublishEvent(p.t.Context(), subject.EventTrust(client), &tuttiv1.TrustChanged{
		ClientId: client, State: a.GetState(), Kind: kind,
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pairingFake) credential(_ context.Context, req *tuttiv1.CredentialRequest) (*tuttiv1.CredentialResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	psk, ok := p.psk[req.GetClientId()]
	as := p.as[req.GetClientId()]
	if !ok {
		return &tuttiv1.CredentialResponse{Category: "sn", ServerId: as}, nil
	}
	sealed, err := seal(psk.Bytes(), req.GetRecipientKey())
	return &tuttiv1.CredentialResponse{Category: "lt", SealedPsk: sealed, ServerId: as}, err
}

func (p *pairingFake) admit(_ context.Context, req *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, req)
	if a := p.of[req.GetClientId()]; a != nil {
		return a, nil
	}
	if req.GetCredentialMismatch() {
		return &tuttiv1.AdmitResponse{State: tuttiv1.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH}, nil
	}
	return &tuttiv1.AdmitResponse{State: p.state, AllowedFamilies: p.families}, nil
}

// decide changes one client's standing and announces it as pairing does.
func (p *pairingFake) decide(client string, state tuttiv1.TrustState, kind string, disconnect bool, families ...string) {
	p.t.Helper()
	p.mu.Lock()
	p.of[client] = &tuttiv1.AdmitResponse{State: state, AllowedFamilies: families}
	p.mu.Unlock()
	err := p.b.PublishEvent(p.t.Context(), subject.EventTrust(client), &tuttiv1.TrustChanged{
		ClientId: client, State: state, Kind: kind, Disconnect: disconnect,
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pairingFake) unapprovedByDefault() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.families = tuttiv1.TrustState_TRUST_STATE_UNAPPROVED, nil
}

// command sends a SessionCommand as the stream service does.
func (r *rig) command(client string, c *tuttiv1.SessionCommand) error {
	var reply tuttiv1.SessionReply
	return r.bus.Request(r.t.Context(), subject.Session(client), c, &reply)
}

func (r *rig) mustCommand(client string, c *tuttiv1.SessionCommand) {
	r.t.Helper()
	eventually(r.t, func() string {
		err := r.command(client, c)
		if fault.CodeOf(err) == fault.Unavailable {
			return err.Error()
		}
		if err != nil {
			r.t.Fatalf("command: %v", err)
		}
		return ""
	})
}

func (r *rig) presence(client string) *tuttiv1.ClientPresence {
	r.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.ClientPresence](r.t.Context(), r.bus, subject.BucketPresence, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	p, _, err := b.Get(r.t.Context(), client)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		r.t.Fatal(err)
	}
	return p
}

// waitPresence waits for a record that f is content with.
func (r *rig) waitPresence(client string, f func(p *tuttiv1.ClientPresence) string) *tuttiv1.ClientPresence {
	r.t.Helper()
	var last *tuttiv1.ClientPresence
	eventually(r.t, func() string {
		if last = r.presence(client); last == nil {
			return "no presence record"
		}
		return f(last)
	})
	return last
}

// Format of the test tapes: small, so that many can be written.
const (
	rate     = 8000
	chunkUS  = 100_000
	chunkLen = rate / 10 * 2
)

// recorder writes a tape.
type recorder struct {
	r             *rig
	group, rendit string
	epoch         uint64
	at            int64 // timestamp of the next chunk
	n             int
	dur           int64
	size          int
}

func (r *rig) recorder(group, rendition string, epoch uint64, at int64) *recorder {
	return &recorder{r: r, group: group, rendit: rendition, epoch: epoch, at: at, dur: chunkUS, size: chunkLen}
}

// write appends n chunks.
func (w *recorder) write(n int) {
	w.r.t.Helper()
	for range n {
		data := make([]byte, w.size)
		for i := range data {
			data[i] = byte(w.n + i)
		}
		b := tape.Append(nil, &tape.Chunk{
			Epoch: w.epoch, TimestampUS: w.at, DurationUS: uint32(w.dur), Frames: rate / 10, Data: data,
		})
		if err := w.r.bus.PublishRaw(w.r.t.Context(), subject.Tape(w.group, w.rendit), b); err != nil {
			w.r.t.Fatal(err)
		}
		w.at += w.dur
		w.n++
	}
}

// soon is a group's start that a slow machine does not miss between some lines of a
// test; chunks go out long before it.
func (r *rig) soon() int64 { return r.house.NowMicros() + 10_000_000 }

// shortly is soon for tests that wait until it plays.
func (r *rig) shortly() int64 { return r.house.NowMicros() + 5_000_000 }

func pcm() *tuttiv1.AudioFormat {
	return &tuttiv1.AudioFormat{Codec: "pcm", SampleRate: rate, Channels: 1, BitDepth: 16}
}

func startCmd(group, rendition string, epoch uint64, notBefore int64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamStart{StreamStart: &tuttiv1.StreamStart{
		RenditionId: rendition, Format: pcm(), Epoch: epoch, NotBeforeUs: notBefore,
	}}}
}

func groupCmd(group, state string) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_Group{
		Group: &tuttiv1.GroupInfo{GroupId: group, Name: "Group " + group, PlaybackState: state},
	}}
}

func endCmd(group string, at int64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamEnd{
		StreamEnd: &tuttiv1.StreamEnd{AtUs: at},
	}}
}

func clearCmd(group string, epoch uint64, notBefore int64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamClear{
		StreamClear: &tuttiv1.StreamClear{Epoch: epoch, NotBeforeUs: notBefore},
	}}
}

func putPresence(t testing.TB, c *bus.Conn, p *tuttiv1.ClientPresence) {
	t.Helper()
	b, err := bus.OpenBucket[tuttiv1.ClientPresence](t.Context(), c, subject.BucketPresence, bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), p.GetClientId(), p); err != nil {
		t.Fatal(err)
	}
}
