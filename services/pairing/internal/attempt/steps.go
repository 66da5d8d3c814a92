package attempt

import (
	"context"
	"errors"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// begin asks the session to admit the attempt: re-handshake where it must, then the
// activation.
func (m *attempt) begin() {
	category := category(m.req.Method)
	cmd := &pb.PairingBegin{
		AttemptId: m.view.GetAttemptId(), Method: m.req.Method, Format: m.req.Format, Category: string(category),
		State: desk.StateOf(m.client), LimitMs: gatewayLimit.Milliseconds(),
	}
	var reply *pb.SessionReply
	psk := m.req.PSK
	m.begun = true
	m.queue(&job{
		bound: beginBound,
		run: func(ctx context.Context) (err error) {
			cmd.AllowedFamilies = m.allowed(ctx, m.client, string(category))
			if category == noise.Pairing {
				if cmd.SealedPsk, err = desk.SealTo(m.session.recipient, psk); err != nil {
					return err
				}
			}
			reply, err = m.command(ctx, &pb.SessionCommand{Command: &pb.SessionCommand_PairingBegin{PairingBegin: cmd}})
			return err
		},
		done: func(ctx context.Context, err error) {
			m.req.PSK.Wipe()
			if !m.ended {
				m.beganBy(ctx, reply, err)
			}
		},
	})
}

// allowed are the roles that the session may have with a PSK of that category.
func (m *attempt) allowed(ctx context.Context, c trust.Client, category string) []string {
	return m.a.Desk.Allowed(ctx, c, category, m.session.id, m.session.unpaired)
}

// beganBy: the gateway has sent the activation, or could not.
func (m *attempt) beganBy(ctx context.Context, reply *pb.SessionReply, err error) {
	if err != nil {
		m.begun = fault.CodeOf(err) != fault.Unavailable // else nobody is there
		m.finish(ctx, commandFailed(err, m.req.Method, true))
		return
	}
	s, err := flowSession(reply.GetPairing())
	if err == nil {
		m.flow, err = pairing.NewServerFlow(pairing.ServerConfig{
			Session: s, Method: m.req.Method, Format: m.req.Format, Offers: m.session.offers,
		})
	}
	if err == nil && len(m.req.Code) > 0 {
		_, err = m.flow.EnterCode(string(m.req.Code))
		clear(m.req.Code)
	}
	if err != nil {
		e := failed(reasonInterrupted, "the gateway that holds the device answered in an unexpected way; is it an older version?")
		e.cause = err
		m.leave(ctx, e)
		return
	}
	m.flowState = m.flow.State()
	early := m.early
	m.early = nil
	for _, r := range early {
		_ = m.relayed(ctx, r) // its sender has its answer already
	}
}

// relayed is a message from the client. One that cannot be opened is the gateway's
// mistake; one that cannot be understood is the device's, and ends the connection.
func (m *attempt) relayed(ctx context.Context, r *pb.PairingRelay) error {
	if m.ended || m.success {
		return nil // under way when the attempt ended
	}
	if m.flow == nil {
		if len(m.early) < maxEarly {
			m.early = append(m.early, r)
		}
		return nil
	}
	body, err := m.a.Desk.OpenSealed(r.GetSealedBody())
	if err != nil {
		return err
	}
	defer clear(body)
	msg, err := wire.Current().DecodeFromClient(body)
	if err != nil {
		m.violated(ctx, errors.New("a pairing message is malformed"))
		return nil
	}
	defer wipeMessage(msg)
	m.apply(ctx, m.flow.Receive(msg))
	return nil
}

// wipeMessage overwrites the secret of a message that has been read.
func wipeMessage(msg wire.Message) {
	if f, ok := msg.(*wire.ClientPairFinalize); ok {
		clear(f.LongTermPSK)
		clear(f.WrappedPSK)
	}
}

// violated: the device did what no conformant one does.
func (m *attempt) violated(ctx context.Context, cause error) {
	e := failed(reasonProtocol, protocolDetail)
	e.cause, e.close = cause, true
	m.leave(ctx, e)
}

// apply carries out the effects of the flow, in order.
func (m *attempt) apply(ctx context.Context, effects []pairing.Effect) {
	var bodies [][]byte
	for _, e := range effects {
		switch e := e.(type) {
		case pairing.Send:
			bodies = m.encode(bodies, e.Message)
			continue
		case pairing.Ended:
			m.flowEnded(ctx, e, bodies)
			return
		case pairing.Close:
			m.violated(ctx, e.Err)
			return
		case pairing.Held:
			m.heldBack(ctx, e)
		case pairing.AskCode:
			m.send(&bodies)
			m.askCode(ctx, e)
		case pairing.Verified:
			m.verified(ctx, e.PSK)
		case pairing.Discard:
			m.log.Debug("a late pairing message was dropped", "type", e.Type)
		}
	}
	m.send(&bodies)
	m.follow(ctx)
}

func (m *attempt) encode(bodies [][]byte, msg wire.Message) [][]byte {
	b, err := wire.Current().Encode(msg)
	if err != nil {
		panic("pairing: encode " + msg.Type() + ": " + err.Error()) // flows make only what can be sent
	}
	return append(bodies, b)
}

// send passes bodies to the client.
func (m *attempt) send(bodies *[][]byte) {
	if len(*bodies) == 0 {
		return
	}
	cmd := &pb.PairingSend{AttemptId: m.view.GetAttemptId(), Bodies: *bodies}
	*bodies = nil
	m.queue(&job{
		bound: sendBound, keep: true,
		run: func(ctx context.Context) error {
			_, err := m.command(ctx, &pb.SessionCommand{Command: &pb.SessionCommand_PairingSend{PairingSend: cmd}})
			return err
		},
		done: func(ctx context.Context, err error) {
			if err != nil {
				m.notSent(ctx, err)
			}
		},
	})
}

// notSent: the session did not take a message. One that is gone is heard of in a
// moment, with what the device said last.
func (m *attempt) notSent(ctx context.Context, err error) {
	e := commandFailed(err, m.req.Method, false)
	switch {
	case fault.CodeOf(err) != fault.Unavailable:
		m.leave(ctx, e)
	case m.cancelLost == nil:
		m.cancelLost = m.after(goneGrace, sessionLost{e})
	}
}

// heldBack: the device waits for something, perhaps a key press.
func (m *attempt) heldBack(ctx context.Context, e pairing.Held) {
	if m.pendingBy.IsZero() {
		m.pendingBy = m.now().Add(pendingLimit)
	}
	m.flowState = m.flow.State()
	words := trust.Clean(e.Message, wire.MaxPendingMessage)
	m.log.Info("the device holds the pairing back", "device_says", words)
	m.show(ctx, func(v *pb.PairingAttempt) {
		v.State, v.Message = statePending, words
		m.expect(v, m.pendingBy.Sub(m.now()))
	})
}

// askCode: it is the operator's turn.
func (m *attempt) askCode(ctx context.Context, e pairing.AskCode) {
	m.begunProper()
	m.flowState, m.round = m.flow.State(), e.Round
	detail := ""
	if e.Round > 1 {
		m.a.Metrics.rounds.Inc()
		detail = "the code was wrong: compare it with the one that the device shows, and enter it again"
		m.log.Info("wrong pairing code, the device takes another", "round", e.Round)
	} else {
		m.log.Info("pairing code asked for", "method", methodName(e.Method, e.Format))
	}
	m.show(ctx, func(v *pb.PairingAttempt) {
		v.State, v.Round, v.Detail, v.Message = stateCode, e.Round, detail, ""
		m.expect(v, m.codeBy.Sub(m.now()))
	})
}

// begunProper: client/pair-init has come.
func (m *attempt) begunProper() {
	if m.codeBy.IsZero() {
		m.codeBy = m.now().Add(codeLimit)
	}
}

// follow shows the steps of the flow that have no effect of their own.
func (m *attempt) follow(ctx context.Context) {
	if m.ended || m.flow.State() == m.flowState {
		return
	}
	m.flowState = m.flow.State()
	switch m.flowState {
	case pairing.ServerExchanging, pairing.ServerConfirming, pairing.ServerFinalizing:
		m.begunProper()
		m.show(ctx, func(v *pb.PairingAttempt) {
			v.State, v.Round, v.Detail, v.Message = stateVerifying, m.flow.Round(), "", ""
			m.expect(v, stepLimit)
		})
	}
}

// flowEnded: the attempt is over, by the device or because its proof failed.
func (m *attempt) flowEnded(ctx context.Context, e pairing.Ended, bodies [][]byte) {
	switch e.Outcome {
	case pairing.Success:
		m.succeeded(ctx, bodies)
	case pairing.AbortedByPeer:
		m.finish(ctx, byDevice(e.Reason))
	default:
		end := failed(e.Reason, "the device could not prove that it knows the code; compare the code and start again")
		end.bodies = bodies
		m.finish(ctx, end)
	}
}
