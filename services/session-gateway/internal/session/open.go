package session

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// Stages of the opening after those of package channel.
const (
	stageHello = "waiting for client/hello"
	stageAdmit = "asking pairing for admission"
	// StageReady is the stage of a live session.
	StageReady = "ready"
)

// Trust is what a session needs of the pairing service.
type Trust interface {
	// Credential is what keys the client's session, and the identity it knows the
	// server by.
	Credential(ctx context.Context, clientID string) (noise.Credential, *noise.PrivateKey, error)
	// RecipientKey is what secrets for this gateway are sealed to; OpenPSK opens one.
	RecipientKey() []byte
	OpenPSK(sealed []byte) (noise.PSK, error)
	// Forget drops what is remembered of a client whose PSK changes.
	Forget(clientID string)
	Admit(ctx context.Context, req *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error)
}

// OpenConfig says how a connection is opened.
type OpenConfig struct {
	// Identity is presented to clients for which Trust names no other.
	Identity  *noise.PrivateKey
	Name      string
	Languages []string
	// SourceCodecs are those that server/hello lists for sources: flac and pcm at least.
	SourceCodecs []string
	Codec        wire.Codec
	Trust        Trust
	Clock        clockwork.Clock
	// Timeout is for each expected message, 30 s in the specification.
	Timeout    time.Duration
	MaxMessage int
	// Claim is told the id that a client claims, before it is proven; an error
	// refuses the connection. It may be nil.
	Claim func(clientID string) error
	// Address is the peer's, for pairing's records.
	Address string
	// ForPairing, if set, names the credential of a client that is dialled to be paired;
	// ok is false for all others.
	ForPairing func(ctx context.Context, clientID string) (cred noise.Credential, ok bool)
}

// Opened is a connection that is ready for its first server/activate.
type Opened struct {
	Conn  *channel.Conn
	Hello *wire.ClientHello
	// Admission is nil when pairing did not answer: the session then begins without
	// roles and asks again.
	Admission *machine.Admission
	// Pairing is set when the client is dialled to be paired: its first activation is an
	// attempt's, and pairing is not asked before that is over.
	Pairing *PairingOpening
}

// PairingOpening is what keys a connection that is opened for an attempt to pair.
type PairingOpening struct {
	// KeyID is the psk_id of the PSK that was referenced.
	KeyID string
	// WasPaired: there is a long-term PSK, which the session gets if it is not paired anew.
	WasPaired bool
}

// OpenError is a failed opening.
type OpenError struct {
	// Stage is where it stopped.
	Stage string
	// ClientID is what the client claims to be; "" when it did not come that far.
	ClientID string
	// Goodbye is set when the client said why.
	Goodbye string
	Err     error
}

// Error names the stage.
func (e *OpenError) Error() string { return fmt.Sprintf("session: open: %s: %v", e.Stage, e.Err) }

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// ErrGoodbye is the cause when the client took its leave instead of client/hello.
var ErrGoodbye = errors.New("session: the client said goodbye")

// Implements are the message ids that this gateway looks at; fragments of others
// are not kept.
func implements(id byte) bool { return id == wire.IDJSON || id == wire.IDAudio || id == wire.IDSource }

// Open runs the opening on a fresh WebSocket, from client/init to pairing's
// admission. The transport is closed on error, which is an *OpenError.
func Open(ctx context.Context, t channel.Transport, o OpenConfig) (*Opened, error) {
	var stage atomic.Value
	stage.Store(channel.StageClientInit)
	var claimed string
	var identity *noise.PrivateKey
	var purpose *PairingOpening
	fail := func(err error) error {
		return &OpenError{Stage: stage.Load().(string), ClientID: claimed, Err: err}
	}
	conn, err := channel.OpenServer(ctx, t, channel.ServerConfig{
		Identity: o.Identity,
		Credential: func(ctx context.Context, clientID string) (noise.Credential, error) {
			claimed = clientID
			if o.Claim != nil {
				if err := o.Claim(clientID); err != nil {
					return noise.Credential{}, err
				}
			}
			cred, as, err := o.Trust.Credential(ctx, clientID)
			identity = as
			if err != nil || o.ForPairing == nil {
				return cred, err
			}
			own, ok := o.ForPairing(ctx, clientID)
			if !ok {
				return cred, nil
			}
			purpose = &PairingOpening{KeyID: own.PSK.ID(), WasPaired: cred.Category == noise.LongTerm}
			return own, nil
		},
		IdentityFor: func(string) *noise.PrivateKey { return identity },
		Timeout:     o.Timeout, MaxMessage: o.MaxMessage, Implements: implements,
		Stage: func(s string) { stage.Store(s) },
	})
	if err != nil {
		return nil, fail(err)
	}
	stage.Store(stageHello)
	hello, err := greet(ctx, conn, o)
	if err != nil {
		_ = conn.Close(channel.CloseSilent, "")
		var said *goodbyeError
		if errors.As(err, &said) {
			return nil, &OpenError{Stage: stageHello, ClientID: claimed, Goodbye: said.reason, Err: ErrGoodbye}
		}
		return nil, fail(err)
	}
	out := &Opened{Conn: conn, Hello: hello, Pairing: purpose}
	if purpose != nil {
		return out, nil
	}
	stage.Store(stageAdmit)
	resp, err := o.Trust.Admit(ctx, admitRequest(conn, hello, o.Address))
	if ctx.Err() != nil {
		_ = conn.CloseNow()
		return nil, fail(ctx.Err())
	}
	if err == nil {
		a := admission(resp)
		out.Admission = &a
	}
	return out, nil
}

type goodbyeError struct{ reason string }

func (e *goodbyeError) Error() string { return fmt.Sprintf("goodbye (%q)", e.reason) }

// greet sends server/hello and waits for client/hello. Before server/activate a
// client may send nothing else, apart from client/goodbye.
func greet(ctx context.Context, conn *channel.Conn, o OpenConfig) (*wire.ClientHello, error) {
	body, err := o.Codec.Encode(&wire.ServerHello{
		Name: o.Name, Languages: o.Languages, Source: &wire.ServerSourceSupport{Codecs: o.SourceCodecs},
	})
	if err != nil {
		return nil, err
	}
	if err := conn.WriteJSON(ctx, body); err != nil {
		return nil, err
	}
	// The write had the transport's deadline, which is in real time.
	ctx, cancel := clockwork.WithTimeout(ctx, o.Clock, o.Timeout)
	defer cancel()
	id, payload, err := conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	if id != wire.IDJSON {
		return nil, fmt.Errorf("binary message %d in place of client/hello", id)
	}
	msg, err := o.Codec.DecodeFromClient(payload)
	if err != nil {
		return nil, err
	}
	switch msg := msg.(type) {
	case *wire.ClientHello:
		return msg, nil
	case *wire.ClientGoodbye:
		return nil, &goodbyeError{msg.Reason}
	}
	return nil, fmt.Errorf("%q in place of client/hello", msg.Type())
}

func admitRequest(conn *channel.Conn, h *wire.ClientHello, address string) *tuttiv1.AdmitRequest {
	return &tuttiv1.AdmitRequest{
		ClientId: conn.Peer(), PskCategory: string(conn.Matched()), CredentialMismatch: conn.Mismatch(),
		Name: h.Name, DeviceInfo: machine.DeviceInfo(h.DeviceInfo), Address: address,
		SupportedRoles: h.SupportedRoles, UnpairedAccess: h.UnpairedAccess.Enabled,
	}
}

func admission(r *tuttiv1.AdmitResponse) machine.Admission {
	a := machine.Admission{
		State: r.GetState(), Families: r.GetAllowedFamilies(),
		Unpair: r.GetUnpair(), ReportEnd: r.GetReportEnd(), Endpoint: r.GetEndpoint(),
	}
	if end := r.GetEndsAt(); end != nil {
		a.EndsAt = end.AsTime()
	}
	return a
}
