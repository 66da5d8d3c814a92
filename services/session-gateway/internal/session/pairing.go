package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/crypto/nacl/box"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// This file is the session's side of a pairing attempt (docs/adr/0014): the commands of
// the attempt, and the client's messages on their way to it.

const (
	// maxRelays bounds a client's pairing messages that wait for the attempt; a method
	// has three in a row at most.
	maxRelays = 16
	// relayTimeout bounds one of them.
	relayTimeout = 10 * time.Second
	// relayPatience is for how long the attempt may have nobody at its address.
	relayPatience = 3 * time.Second
	relayRetry    = 250 * time.Millisecond
	// maxReason bounds the words of a pair/abort that the specification does not know.
	maxReason = 64
	// sealingKeyLen is the length of an X25519 key.
	sealingKeyLen = 32
)

// The messages about pairing.
type (
	relayed struct {
		attemptID string
		err       error
	}
	attemptLimit struct{ id string }
)

// relay is one pairing message on its way to its attempt, sealed.
type relay struct {
	attemptID string
	sealed    []byte
}

// isPairing reports whether the command is one of the Pairing commands.
func isPairing(cmd *tuttiv1.SessionCommand) bool {
	switch cmd.GetCommand().(type) {
	case *tuttiv1.SessionCommand_PairingQuery, *tuttiv1.SessionCommand_PairingBegin,
		*tuttiv1.SessionCommand_PairingSend, *tuttiv1.SessionCommand_PairingEnd:
		return true
	}
	return false
}

// pairingKey is the PSK that a command brings, and its category.
func pairingKey(cmd *tuttiv1.SessionCommand) (category string, sealed []byte) {
	switch k := cmd.GetCommand().(type) {
	case *tuttiv1.SessionCommand_PairingBegin:
		return k.PairingBegin.GetCategory(), k.PairingBegin.GetSealedPsk()
	case *tuttiv1.SessionCommand_PairingEnd:
		return k.PairingEnd.GetCategory(), k.PairingEnd.GetSealedPsk()
	}
	return "", nil
}

// pairing carries out a command of an attempt. It is answered when what it asks for
// was written.
func (b *brain) pairing(in command, now int64) {
	defer b.drop()
	keyID, err := b.openKey(in.cmd)
	if err != nil {
		b.s.d.Metrics.CommandsDenied.Inc()
		in.reply <- answer{err: fault.New(fault.Invalid, "the PSK for client %s is not sealed to this gateway; query the session and ask again", b.s.ClientID)}
		return
	}
	effects, err := b.m.Pairing(in.cmd, keyID, now)
	if err != nil {
		b.s.d.Metrics.CommandsDenied.Inc()
		in.reply <- answer{err: err}
		return
	}
	if keyID != "" {
		// What is remembered of the client may be superseded by now, or is soon.
		b.s.d.Trust.Forget(b.s.ClientID)
	}
	session := b.m.Describe()
	b.do(effects)
	if in.cmd.GetPairingBegin() != nil {
		b.expect() // it may have been the first activation
	}
	if len(effects) > 0 {
		if _, closes := effects[len(effects)-1].(machine.Close); closes {
			in.reply <- answer{pairing: session} // nothing is written after a close
			return
		}
	}
	b.push(written{func(context.Context) {
		b.s.describe(session)
		in.reply <- answer{pairing: session}
	}})
}

// describe adds what the connection knows; the writer calls it, between two
// re-handshakes.
func (s *Session) describe(p *tuttiv1.PairingSession) {
	hash := s.o.Conn.HandshakeHash()
	p.HandshakeHash, p.Suite, p.RecipientKey = hash[:], string(s.o.Conn.Suite()), s.d.Trust.RecipientKey()
}

// limit bounds an attempt.
func (b *brain) limit(e machine.LimitAttempt) {
	if b.limitTimer != nil {
		b.limitTimer()
	}
	b.limitTimer = b.later(e.After, attemptLimit{e.AttemptID})
}

// relay queues a client's message for its attempt; false: the session is over.
func (b *brain) relay(e machine.Relay) bool {
	if len(b.relays) >= maxRelays {
		b.s.Close(machine.Close{Reason: machine.ReasonProtocolError, Detail: "more pairing messages than an attempt has"})
		return false
	}
	sealed, err := b.s.seal(e.Msg)
	if err != nil {
		b.do(b.m.AttemptLost(e.AttemptID, err.Error(), b.s.d.House.NowMicros()))
		return true
	}
	b.relays = append(b.relays, relay{e.AttemptID, sealed})
	b.relayNext()
	return true
}

// relayNext hands over the next message. It is no matter of the session's life: what a
// client says before it closes the connection still counts.
func (b *brain) relayNext() {
	if b.relaying != nil || len(b.relays) == 0 {
		return
	}
	r := b.relays[0]
	b.relays = b.relays[1:]
	if r.attemptID != b.m.Attempt() {
		b.relayNext() // its attempt is over
		return
	}
	b.s.d.Metrics.Relays.Inc()
	done := make(chan struct{})
	b.relaying = done
	started := b.s.d.Errand(func(ctx context.Context) {
		err := b.s.relay(ctx, r)
		close(done)
		b.s.tell(ctx, relayed{r.attemptID, err})
	})
	if !started {
		b.relaying = nil
		b.do(b.m.AttemptLost(r.attemptID, "the gateway is too busy to carry the device's messages", b.s.d.House.NowMicros()))
	}
}

// relayed goes on with the next message, or leaves an attempt that nobody runs.
func (b *brain) relayed(in relayed, now int64) {
	b.relaying = nil
	if in.err != nil {
		b.do(b.m.AttemptLost(in.attemptID, "the attempt does not take the device's messages: "+in.err.Error(), now))
	}
	b.relayNext()
}

// relay hands one message to the attempt. A message whose fate is unknown is not sent
// again: the attempt would take it for a second one.
func (s *Session) relay(ctx context.Context, r relay) error {
	req := &tuttiv1.AttemptRequest{AttemptId: r.attemptID, Message: &tuttiv1.AttemptRequest_Relay{
		Relay: &tuttiv1.PairingRelay{SessionId: s.ID, SealedBody: r.sealed},
	}}
	for until := s.d.Clock.Now().Add(relayPatience); ; s.pause(ctx, relayRetry) {
		err := s.request(ctx, relayTimeout, subject.Attempt(s.ClientID), req, &tuttiv1.PairingAttempt{})
		if fault.CodeOf(err) != fault.Unavailable || ctx.Err() != nil || s.d.Clock.Now().After(until) {
			return err
		}
		s.log.Info("nobody is at the attempt's address; trying again", "attempt", r.attemptID, obs.KeyErr, err)
	}
}

// seal seals a client's pairing message to the pairing service.
func (s *Session) seal(msg wire.Message) ([]byte, error) {
	key := s.d.Settings().GetSealingKey()
	if len(key) != sealingKeyLen {
		return nil, errors.New("the deployment's sealing key is not known; is the pairing service up to date")
	}
	body, err := encodePairing(s.d.Codec, msg)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	if f, ok := msg.(*wire.ClientPairFinalize); ok {
		defer clear(f.LongTermPSK)
	}
	recipient := [sealingKeyLen]byte(key)
	return box.SealAnonymous(nil, body, &recipient, rand.Reader)
}

// encodePairing gives the message's JSON again. Decoding loses nothing of a pairing
// message but what the specification says to ignore; only a reason that it does not
// know would not pass the encoder.
func encodePairing(codec wire.Codec, msg wire.Message) ([]byte, error) {
	body, err := codec.Encode(msg)
	abort, ok := msg.(*wire.PairAbort)
	if err == nil || !ok {
		return body, err
	}
	reason := []rune(abort.Reason)
	return json.Marshal(map[string]any{
		"type": abort.Type(), "payload": map[string]string{"reason": string(reason[:min(len(reason), maxReason)])},
	})
}

// request asks one question with a limit of its own.
func (s *Session) request(ctx context.Context, limit time.Duration, subject string, req, resp message) error {
	ctx, cancel := clockwork.WithTimeout(ctx, s.d.Clock, limit)
	defer cancel()
	return s.d.Bus.Request(ctx, subject, req, resp)
}
