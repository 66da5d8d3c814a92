package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// codec encodes and decodes the handshake messages, which are the same in every
// dialect.
var codec = wire.Current()

// OpenServer runs the server's side of steps 1 to 5 of section "Communication" over
// a fresh transport, whoever dialled it. On success the caller goes on with
// server/hello. On an error the transport is closed: a *wire.InitError was answered
// with server/error, every other failure was silent.
func OpenServer(ctx context.Context, t Transport, cfg ServerConfig) (*Conn, error) {
	s := newStep(cfg.Clock, cfg.Timeout, cfg.Stage)
	c, err := s.openServer(ctx, t, cfg)
	if err != nil {
		endOpen(t, err)
		return nil, err
	}
	s.report(StageOpen)
	return c, nil
}

func (s step) openServer(ctx context.Context, t Transport, cfg ServerConfig) (*Conn, error) {
	raw, init, err := s.readClientInit(ctx, t)
	if err != nil {
		return nil, err
	}
	peer, err := noise.ParsePublicKey(init.ClientID)
	if err != nil {
		return nil, at("client/init", err)
	}
	cred, err := s.credential(ctx, cfg, init.ClientID)
	if err != nil {
		return nil, err
	}
	local := cfg.identity(init.ClientID)
	reply, err := codec.Encode(&wire.ServerInit{ServerID: local.Public().ID(), Version: wire.Version})
	if err != nil {
		return nil, at("server/init", err)
	}
	suite := noise.Suite(init.Suite)
	hs, msg1, err := noise.NewInitiator(noise.Config{
		Suite: suite, Static: local, Peer: peer, Prologue: append(raw, reply...), SentinelFallback: true, Rand: cfg.Rand,
	}, cred)
	if err != nil {
		return nil, at("Noise message 1", err)
	}
	// Both at once: the specification wants no wait in between.
	if err := t.Write(ctx, true, reply); err != nil {
		return nil, at("server/init", err)
	}
	if err := writeHandshake(ctx, t, msg1); err != nil {
		return nil, at("Noise message 1", err)
	}
	msg2, err := s.readHandshake(ctx, t, StageMessage2, codec.DecodeFromClient)
	if err != nil {
		return nil, err
	}
	res, err := hs.Finish(msg2)
	if err != nil {
		return nil, at("Noise message 2", err)
	}
	return newConn(&Conn{
		t: t, local: local, peer: peer, peerID: init.ClientID, suite: suite,
		clock: s.clock, timeout: s.timeout, rand: cfg.Rand, server: true,
		parts: assembler{limit: orDefault(cfg.MaxMessage, DefaultServerMaxMessage), implements: cfg.Implements},
	}, res), nil
}

// identity is the key that a client is shown.
func (cfg ServerConfig) identity(clientID string) *noise.PrivateKey {
	if cfg.IdentityFor != nil {
		if key := cfg.IdentityFor(clientID); key != nil {
			return key
		}
	}
	return cfg.Identity
}

// readClientInit returns the message as it came, for the prologue, and parsed.
func (s step) readClientInit(ctx context.Context, t Transport) ([]byte, *wire.ClientInit, error) {
	text, data, err := s.read(ctx, t, StageClientInit)
	if err != nil {
		return nil, nil, err
	}
	if !text {
		return nil, nil, &wire.InitError{Reason: wire.ErrorMalformed, Err: errors.New("a binary message")}
	}
	init, err := wire.ParseClientInit(data)
	if err != nil {
		return nil, nil, err // a *wire.InitError
	}
	return bytes.Clone(data), init, nil
}

func (s step) credential(ctx context.Context, cfg ServerConfig, clientID string) (Credential, error) {
	s.report(StageCredential)
	ctx, cancel := clockwork.WithTimeout(ctx, s.clock, s.timeout)
	defer cancel()
	cred, err := cfg.Credential(ctx, clientID)
	return cred, at(StageCredential, err)
}

// OpenClient runs the client's side of steps 1 to 5 of section "Communication" over
// a fresh transport, whoever dialled it. On success the caller waits for
// server/hello. On an error the transport is closed; a *RefusedError is the server's
// answer to an init failure.
func OpenClient(ctx context.Context, t Transport, cfg ClientConfig) (*Conn, error) {
	s := newStep(cfg.Clock, cfg.Timeout, cfg.Stage)
	c, err := s.openClient(ctx, t, cfg)
	if err != nil {
		endOpen(t, err)
		return nil, err
	}
	s.report(StageOpen)
	return c, nil
}

func (s step) openClient(ctx context.Context, t Transport, cfg ClientConfig) (*Conn, error) {
	init, err := codec.Encode(&wire.ClientInit{
		ClientID: cfg.Identity.Public().ID(), Version: wire.Version, Suite: string(cfg.Suite),
	})
	if err != nil {
		return nil, at("client/init", err)
	}
	if err := t.Write(ctx, true, init); err != nil {
		return nil, at("client/init", err)
	}
	reply, serverID, peer, err := s.readServerInit(ctx, t, cfg)
	if err != nil {
		return nil, err
	}
	lookup := func(pskID string, cat noise.Category) (noise.PSK, bool, error) {
		if cfg.Candidates == nil {
			return noise.PSK{}, false, nil
		}
		return cfg.Candidates(serverID, pskID, cat)
	}
	msg1, err := s.readHandshake(ctx, t, StageMessage1, codec.DecodeFromServer)
	if err != nil {
		return nil, err
	}
	msg2, res, err := noise.Respond(noise.Config{
		Suite: cfg.Suite, Static: cfg.Identity, Peer: peer, Prologue: append(init, reply...), SentinelFallback: true, Rand: cfg.Rand,
	}, lookup, msg1)
	if err != nil {
		return nil, at("Noise message 1", err)
	}
	if err := writeHandshake(ctx, t, msg2); err != nil {
		return nil, at("Noise message 2", err)
	}
	return newConn(&Conn{
		t: t, local: cfg.Identity, peer: peer, peerID: serverID, suite: cfg.Suite,
		clock: s.clock, timeout: s.timeout, rand: cfg.Rand, lookup: lookup,
		parts: assembler{limit: orDefault(cfg.MaxMessage, DefaultClientMaxMessage), implements: cfg.Implements},
	}, res), nil
}

// readServerInit returns the message as it came, for the prologue, and its identity.
func (s step) readServerInit(ctx context.Context, t Transport, cfg ClientConfig) ([]byte, string, noise.PublicKey, error) {
	var none noise.PublicKey
	text, data, err := s.read(ctx, t, StageServerInit)
	if err != nil {
		return nil, "", none, err
	}
	m, err := decodeText(text, data, codec.DecodeFromServer)
	if err != nil {
		return nil, "", none, at("server/init", err)
	}
	switch m := m.(type) {
	case *wire.ServerError:
		return nil, "", none, &RefusedError{Reason: m.Reason}
	case *wire.ServerInit:
		if m.Version != wire.Version {
			return nil, "", none, fmt.Errorf("channel: server/init: version %d, want %d", m.Version, wire.Version)
		}
		peer, err := noise.ParsePublicKey(m.ServerID)
		if err != nil {
			return nil, "", none, at("server/init", err)
		}
		if cfg.AllowServer != nil {
			if err := cfg.AllowServer(m.ServerID); err != nil {
				return nil, "", none, at("server/init", err)
			}
		}
		return bytes.Clone(data), m.ServerID, peer, nil
	default:
		return nil, "", none, at("server/init", ErrUnexpected)
	}
}

// read waits for the next message for at most the step's time. (Writes have the
// transport's deadline, which is in real time.)
func (s step) read(ctx context.Context, t Transport, stage string) (text bool, data []byte, err error) {
	s.report(stage)
	ctx, cancel := clockwork.WithTimeout(ctx, s.clock, s.timeout)
	defer cancel()
	text, data, err = t.Read(ctx)
	return text, data, at(stage, err)
}

// readHandshake waits for a cleartext noise/handshake and returns the Noise message.
func (s step) readHandshake(ctx context.Context, t Transport, stage string, decode func([]byte) (wire.Message, error)) ([]byte, error) {
	text, data, err := s.read(ctx, t, stage)
	if err != nil {
		return nil, err
	}
	m, err := decodeText(text, data, decode)
	if err != nil {
		return nil, at(stage, err)
	}
	h, ok := m.(*wire.NoiseHandshake)
	if !ok {
		return nil, at(stage, ErrUnexpected)
	}
	return h.Data, nil
}

func writeHandshake(ctx context.Context, t Transport, msg []byte) error {
	body, err := codec.Encode(&wire.NoiseHandshake{Data: msg})
	if err != nil {
		return err
	}
	return t.Write(ctx, true, body)
}

// decodeText decodes a message that must be a text message.
func decodeText(text bool, data []byte, decode func([]byte) (wire.Message, error)) (wire.Message, error) {
	if !text {
		return nil, ErrUnexpected
	}
	return decode(data)
}

// endOpen closes the transport after a failed handshake; an init failure is answered
// first (specification: "Failure Handling").
func endOpen(t Transport, err error) {
	var init *wire.InitError
	if !errors.As(err, &init) {
		_ = t.Close(CloseSilent, "")
		return
	}
	body, err := codec.Encode(&wire.ServerError{Reason: init.Reason})
	if err == nil {
		err = t.Write(context.Background(), true, body)
	}
	if err != nil {
		_ = t.CloseNow()
		return
	}
	_ = t.Close(CloseInit, "")
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}
