package pairing

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const staticDigits = "83640275"

// device is a device and the gateway that holds its session, as the bus sees them:
// it answers SessionCommands with the real client side of the flows (ClientFlow) and
// relays what that sends. A re-handshake is a new random hash.
type device struct {
	r     *rig
	t     testing.TB
	bus   *bus.Conn
	id    string
	key   noise.PublicKey
	psk   noise.PSK // its pairing PSK
	name  string
	suite noise.Suite
	box   boxKey
	// offers and unpaired are what it says in client/hello.
	offers   []*pb.PairMethod
	unpaired bool
	hold     string // it holds dynamic attempts back with this message
	closed   bool   // its pairing window is closed

	// The hooks are set by change once the device is connected.
	//
	// onStep is called before each command is carried out, and before each message is
	// relayed, with a running number.
	onStep func(n int, what string)
	// onRelay may change what the device sends; nil drops it.
	onRelay func(m wire.Message) wire.Message
	// onCommand may refuse a command before it is carried out.
	onCommand func(c *pb.SessionCommand) error

	mu       sync.Mutex
	session  string
	stop     func()
	category string
	record   noise.PSK // its long-term PSK for this server; zero: none
	hash     [32]byte
	index    uint32
	flow     *pairing.ClientFlow
	rounds   *pairing.Rounds
	window   *pairing.Window
	attempt  string
	shown    []string
	begins   []*pb.PairingBegin
	ends     []*pb.PairingEnd
	aborts   []string // reasons that the server gave
	faults   []error  // for which the device closed the connection
	steps    int
	sealTo   []byte

	relays chan relay
	unsent atomic.Int32 // what is in relays, or on its way
	done   chan struct{}
}

// change sets hooks and what else the device reads while it lives.
func (d *device) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// post queues what the attempt is to hear.
func (d *device) post(m relay) {
	d.unsent.Add(1)
	d.relays <- m
}

type relay struct {
	session, attempt string
	body             []byte // nil: the session is gone
	goodbye          string
}

// newDevice makes a device that offers everything; it is not connected yet.
func (r *rig) newDevice(name string) *device {
	r.t.Helper()
	priv, err := noise.GenerateKey(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	d := &device{
		r: r, t: r.t, bus: r.bus, id: priv.Public().ID(), key: priv.Public(), psk: psk, name: name, suite: noise.ChaChaPoly,
		box: newBoxKey(r.t), unpaired: true, rounds: &pairing.Rounds{}, window: &pairing.Window{Lifetime: 24 * time.Hour},
		offers: []*pb.PairMethod{
			{Method: wire.MethodPSK},
			{Method: wire.MethodStaticCode},
			{Method: wire.MethodDynamicCode, Formats: []string{wire.FormatDigits, wire.FormatQRCode}, OutChannels: []string{wire.OutDisplay}},
		},
		relays: make(chan relay, 256), done: make(chan struct{}),
	}
	var s pb.ServerSettings
	r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &s)
	d.sealTo = s.GetSealingKey()
	ctx, cancel := context.WithCancel(context.Background())
	go d.relayAll(ctx)
	r.t.Cleanup(func() {
		d.hangUp("")
		cancel()
		<-d.done
	})
	return d
}

func (d *device) token() string { return pairtoken.EncodePSK(d.key, [32]byte(d.psk.Bytes())) }

// connect opens a session, keyed by the record if the device and the server have the
// same, and asks for admission.
func (d *device) connect() *device {
	d.t.Helper()
	cat := "sn"
	if d.serverRecord().Equal(d.record) {
		cat = "lt"
	}
	d.mu.Lock()
	d.session = fmt.Sprintf("s-%d", time.Now().UnixNano())
	d.handshake(cat)
	d.flow, d.attempt = nil, ""
	d.mu.Unlock()
	stop, err := bus.HandleExclusive(d.bus, subject.Session(d.id), d.command)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	d.stop = stop
	d.mu.Unlock()
	d.admit()
	return d
}

func (d *device) admit() *pb.AdmitResponse {
	d.t.Helper()
	k := knock(d.id, d.name)
	k.PskCategory, k.UnpairedAccess = d.keyedBy(), d.unpaired
	k.CredentialMismatch = k.PskCategory == "sn" && !d.serverRecord().IsZero()
	return d.r.admit(k)
}

func (d *device) keyedBy() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.category
}

func (d *device) kept() noise.PSK {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.record
}

// serverRecord is the PSK that the server has for the device; zero without a record.
func (d *device) serverRecord() noise.PSK {
	d.t.Helper()
	var c pb.CredentialResponse
	d.r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: d.id, RecipientKey: d.box.pub[:]}, &c)
	if c.GetCategory() != "lt" {
		return noise.PSK{}
	}
	psk, err := noise.NewPSK(d.box.open(d.t, c.GetSealedPsk()))
	if err != nil {
		d.t.Fatal(err)
	}
	return psk
}

// handshake makes new keys; mu is held.
func (d *device) handshake(category string) {
	_, _ = rand.Read(d.hash[:])
	d.category, d.index = category, 0
}

// hangUp ends the session as the gateway reports it.
func (d *device) hangUp(goodbye string) {
	d.mu.Lock()
	stop, session, attempt := d.stop, d.session, d.attempt
	d.stop, d.session, d.attempt = nil, "", ""
	if d.flow != nil {
		d.flow.Dropped()
	}
	d.flow = nil
	d.mu.Unlock()
	if attempt != "" {
		d.post(relay{session: session, attempt: attempt, goodbye: goodbye})
	}
	if stop != nil {
		stop()
	}
}

// command is the gateway's side of one SessionCommand.
func (d *device) command(_ context.Context, c *pb.SessionCommand) (*pb.SessionReply, error) {
	d.step(fmt.Sprintf("%T", c.GetCommand()))
	d.mu.Lock()
	hook := d.onCommand
	d.mu.Unlock()
	if hook != nil {
		if err := hook(c); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session == "" {
		return nil, fault.New(fault.Unavailable, "the session is over")
	}
	if c.GetSessionId() != "" && c.GetSessionId() != d.session {
		return nil, fault.New(fault.Conflict, "another session")
	}
	var err error
	switch c := c.GetCommand().(type) {
	case *pb.SessionCommand_PairingQuery:
	case *pb.SessionCommand_PairingBegin:
		err = d.begin(c.PairingBegin)
	case *pb.SessionCommand_PairingSend:
		err = d.receive(c.PairingSend.GetAttemptId(), c.PairingSend.GetBodies())
	case *pb.SessionCommand_PairingEnd:
		err = d.end(c.PairingEnd)
	default:
		err = fault.New(fault.Conflict, "not about pairing")
	}
	if err != nil {
		return nil, err
	}
	return &pb.SessionReply{SessionId: d.session, Pairing: &pb.PairingSession{
		Category: d.category, HandshakeHash: bytes.Clone(d.hash[:]), PairingIndex: d.index, Suite: string(d.suite),
		RecipientKey: d.box.pub[:], PairMethods: d.offers, UnpairedAccess: d.unpaired,
	}}, nil
}

func (d *device) step(what string) {
	d.mu.Lock()
	n, hook := d.steps, d.onStep
	d.steps++
	d.mu.Unlock()
	if hook != nil {
		hook(n, what)
	}
}

var errHungUp = fault.New(fault.Unavailable, "the device closed the connection")

// lost is a session that ends inside of a command; mu is held.
func (d *device) lost(why string) error {
	session, attempt, stop := d.session, d.attempt, d.stop
	d.session, d.attempt, d.stop, d.flow = "", "", nil, nil
	d.post(relay{session: session, attempt: attempt, goodbye: why})
	if stop != nil {
		go stop() // not from inside of the handler
	}
	return errHungUp
}

func (d *device) begin(b *pb.PairingBegin) error {
	d.begins = append(d.begins, b)
	if d.attempt != "" && d.attempt != b.GetAttemptId() {
		return fault.New(fault.Conflict, "another attempt runs")
	}
	d.attempt = b.GetAttemptId()
	if b.GetCategory() != d.category {
		if b.GetCategory() == "pr" && !d.fits(b.GetSealedPsk(), d.psk) {
			return d.lost("")
		}
		d.handshake(b.GetCategory())
	}
	d.index++
	static, err := pairing.ParseDigits(staticDigits, pairing.StaticLen)
	if err != nil {
		return err
	}
	if !d.closed {
		d.window.Open(time.Now())
	}
	d.flow, err = pairing.NewClientFlow(pairing.ClientConfig{
		Session: pairing.Session{Hash: d.hash, Suite: d.suite, Matched: noise.Category(d.category), Index: d.index},
		Method:  b.GetMethod(), Format: b.GetFormat(), Offers: d.wireOffers(), StaticCode: static,
		Rounds: d.rounds, Window: d.window, Conn: 1, Hold: d.hold != "", HoldMessage: d.hold,
	})
	if err != nil {
		return err
	}
	d.do(d.flow.Start(time.Now()))
	return nil
}

func (d *device) wireOffers() wire.PairMethods {
	return wire.PairMethods{PSK: &wire.SecretMethod{}, StaticCode: &wire.SecretMethod{}, DynamicCode: &wire.DynamicMethod{
		OutChannels: []string{wire.OutDisplay}, Formats: []string{wire.FormatDigits, wire.FormatQRCode}}}
}

func (d *device) fits(sealed []byte, psk noise.PSK) bool {
	plain, ok := box.OpenAnonymous(nil, sealed, d.box.pub, d.box.priv)
	if !ok {
		return false
	}
	got, err := noise.NewPSK(plain)
	return err == nil && got.Equal(psk)
}

func (d *device) receive(attempt string, bodies [][]byte) error {
	if attempt != d.attempt {
		return fault.New(fault.Conflict, "no such attempt")
	}
	for _, b := range bodies {
		m, err := wire.Current().DecodeFromServer(b)
		if err != nil {
			d.t.Errorf("the server sent %q: %v", b, err)
			return nil
		}
		if a, ok := m.(*wire.PairAbort); ok {
			d.aborts = append(d.aborts, a.Reason)
		}
		if d.flow != nil {
			d.do(d.flow.Receive(m))
		}
	}
	return nil
}

func (d *device) end(e *pb.PairingEnd) error {
	if e.GetAttemptId() != d.attempt {
		return fault.New(fault.Conflict, "no such attempt")
	}
	d.ends = append(d.ends, e)
	if e.GetClose() {
		d.attempt = "" // the gateway closes: nobody need be told
		return d.closeHere()
	}
	if err := d.receive(e.GetAttemptId(), e.GetBodies()); err != nil {
		return err
	}
	d.attempt = ""
	if len(e.GetSealedPsk()) > 0 {
		if !d.fits(e.GetSealedPsk(), d.record) {
			return d.closeHere()
		}
		d.handshake(e.GetCategory())
		d.flow = nil
		return nil
	}
	if d.flow != nil {
		d.do(d.flow.Receive(&wire.ServerActivate{}))
	}
	return nil
}

func (d *device) closeHere() error {
	stop := d.stop
	d.session, d.stop, d.flow = "", nil, nil
	if stop != nil {
		go stop()
	}
	return nil
}

// do carries out the effects of the client's flow; mu is held.
func (d *device) do(effects []pairing.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case pairing.Send:
			m := e.Message
			if d.onRelay != nil {
				if m = d.onRelay(m); m == nil {
					continue
				}
			}
			d.say(m)
		case pairing.ShowCode:
			d.shown = append(d.shown, e.Code.Text())
		case pairing.Paired:
			d.record = e.PSK
		case pairing.Close:
			if e.Err != nil {
				d.faults = append(d.faults, e.Err)
			}
			_ = d.lost("")
			return
		}
	}
}

// say relays a message; mu is held.
func (d *device) say(m wire.Message) {
	body, err := wire.Current().Encode(m)
	if err != nil {
		d.t.Errorf("encode %s: %v", m.Type(), err)
		return
	}
	d.post(relay{session: d.session, attempt: d.attempt, body: body})
}

// now lets the device act on its own.
func (d *device) now(act func(f *pairing.ClientFlow) []pairing.Effect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flow != nil {
		d.do(act(d.flow))
	}
}

// relayAll passes messages on, one after the other.
func (d *device) relayAll(ctx context.Context) {
	defer close(d.done)
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-d.relays:
			d.pass(ctx, m)
			d.unsent.Add(-1)
		}
	}
}

func (d *device) pass(ctx context.Context, m relay) {
	req := &pb.AttemptRequest{AttemptId: m.attempt}
	if m.body == nil {
		req.Message = &pb.AttemptRequest_Gone{Gone: &pb.SessionGone{SessionId: m.session, Goodbye: m.goodbye}}
	} else {
		d.step("relay")
		sealed, err := box.SealAnonymous(nil, m.body, (*[32]byte)(d.sealTo), rand.Reader)
		if err != nil {
			d.t.Error(err)
			return
		}
		req.Message = &pb.AttemptRequest_Relay{Relay: &pb.PairingRelay{SessionId: m.session, SealedBody: sealed}}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	// Nobody listens when the attempt has ended.
	_ = d.bus.Request(ctx, subject.Attempt(d.id), req, &pb.PairingAttempt{})
}

// code is the code that the device shows now.
func (d *device) code() string {
	d.t.Helper()
	var code string
	eventually(d.t, "the device shows a code", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.shown) == 0 {
			return errors.New("nothing")
		}
		code = d.shown[len(d.shown)-1]
		return nil
	})
	return code
}

// The operator's side.

func (d *device) seal(text string) []byte {
	d.t.Helper()
	sealed, err := box.SealAnonymous(nil, []byte(text), (*[32]byte)(d.sealTo), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	return sealed
}

// request is an attempt by a method, with the device's own secret.
func (d *device) request(k kind) *pb.StartPairingRequest {
	req := &pb.StartPairingRequest{ClientId: d.id, Method: k.method, Format: k.format, Actor: "admin"}
	switch k.method {
	case wire.MethodPSK:
		req.SealedSecret = d.seal(d.token())
	case wire.MethodStaticCode:
		req.SealedSecret = d.seal("8364-0275")
	}
	return req
}

func (d *device) start(k kind) *pb.PairingAttempt {
	d.t.Helper()
	d.change(func() { d.suite = k.suite })
	var v pb.PairingAttempt
	d.r.ask(subject.PairingStart, d.request(k), &v)
	if v.GetState() != "connecting" || v.GetExpiresAt() == nil || v.GetStartedAt() == nil {
		d.t.Fatalf("answer to start: %v", &v)
	}
	return &v
}

func (d *device) ask(req *pb.AttemptRequest) (*pb.PairingAttempt, error) {
	var v pb.PairingAttempt
	req.Actor = "admin"
	err := d.r.request(subject.Attempt(d.id), req, &v)
	return &v, err
}

func (d *device) enter(code string) (*pb.PairingAttempt, error) {
	return d.ask(&pb.AttemptRequest{Message: &pb.AttemptRequest_SealedCode{SealedCode: d.seal(code)}})
}

func (d *device) cancel() (*pb.PairingAttempt, error) {
	return d.ask(&pb.AttemptRequest{Message: &pb.AttemptRequest_Cancel{Cancel: true}})
}

// shows waits for the entry of the bucket to be in one of the states.
func (d *device) shows(states ...string) *pb.PairingAttempt {
	d.t.Helper()
	b := d.r.pairings()
	var v *pb.PairingAttempt
	eventually(d.t, fmt.Sprintf("the attempt is %v", states), func() (err error) {
		v, _, err = b.Get(context.Background(), d.id)
		if err == nil && !slices.Contains(states, v.GetState()) {
			err = fmt.Errorf("it is %v", v)
		}
		return err
	})
	if (v.GetExpiresAt() == nil) != slices.Contains([]string{"paired", "failed", "cancelled"}, v.GetState()) {
		d.t.Fatalf("expires_at of %v", v)
	}
	return v
}

func (r *rig) pairings() (b *bus.Bucket[pb.PairingAttempt, *pb.PairingAttempt]) {
	r.t.Helper()
	r.eventually("the bucket opens", func() (err error) {
		b, err = bus.OpenBucket[pb.PairingAttempt](context.Background(), r.bus, subject.BucketPairings, bus.BucketOptions{})
		return err
	})
	return b
}

// finish enters the right code where one is wanted, and waits for the end.
func (d *device) finish(k kind) *pb.PairingAttempt {
	d.t.Helper()
	if k.method == wire.MethodDynamicCode {
		d.shows("awaiting_code")
		if _, err := d.enter(d.code()); err != nil {
			d.t.Fatal(err)
		}
	}
	return d.shows("paired", "failed", "cancelled")
}

// pairBy pairs and wants that to work.
func (d *device) pairBy(k kind) *pb.PairingAttempt {
	d.t.Helper()
	d.start(k)
	v := d.finish(k)
	if v.GetState() != "paired" {
		d.t.Fatalf("not paired: %v", v)
	}
	d.wantPaired()
	return v
}

// wantPaired: both ends have one record and the session is keyed by it.
func (d *device) wantPaired() {
	d.t.Helper()
	if psk := d.serverRecord(); psk.IsZero() || !psk.Equal(d.kept()) {
		d.t.Fatal("the two ends have no common record")
	}
	if d.keyedBy() != "lt" {
		d.t.Fatalf("the session is keyed by %q", d.keyedBy())
	}
}

// lastEnd is the last PairingEnd that the gateway got.
func (d *device) lastEnd() *pb.PairingEnd {
	d.t.Helper()
	var e *pb.PairingEnd
	eventually(d.t, "the gateway ends the attempt", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.ends) == 0 {
			return errors.New("no PairingEnd")
		}
		e = proto.CloneOf(d.ends[len(d.ends)-1])
		return nil
	})
	return e
}

// kind is one way of pairing.
type kind struct {
	method, format string
	suite          noise.Suite
}

func (k kind) String() string { return k.method + k.format + "/" + string(k.suite) }

var (
	byToken  = kind{wire.MethodPSK, "", noise.ChaChaPoly}
	byDigits = kind{wire.MethodDynamicCode, wire.FormatDigits, noise.ChaChaPoly}
	byQR     = kind{wire.MethodDynamicCode, wire.FormatQRCode, noise.AESGCM}
	byStatic = kind{wire.MethodStaticCode, "", noise.AESGCM}
	fourWays = []kind{byToken, byDigits, byQR, byStatic}
)
