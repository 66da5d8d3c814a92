package attempt

import (
	"context"
	"errors"
	"strings"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// session is a client's session as its gateway describes it.
type session struct {
	id        string
	category  string // of the PSK that keyed it before the attempt
	recipient []byte
	offers    wire.PairMethods
	unpaired  bool
}

// query asks the session of a client. Conflict when there is none.
func (a *Attempts) query(ctx context.Context, id string) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, queryBound)
	defer cancel()
	var reply pb.SessionReply
	err := a.Bus.Request(ctx, subject.Session(id), &pb.SessionCommand{
		Command: &pb.SessionCommand_PairingQuery{PairingQuery: &pb.PairingQuery{}},
	}, &reply)
	if fault.CodeOf(err) == fault.Unavailable && a.Bus.Healthy() == nil {
		return session{}, &fault.Error{Code: fault.Conflict, Err: errNotConnected,
			Msg: "client " + id + " is not connected: switch it on, and start again when it is listed as connected"}
	}
	if err != nil {
		return session{}, err
	}
	p := reply.GetPairing()
	if p == nil || reply.GetSessionId() == "" {
		return session{}, fault.New(fault.Unavailable, "the gateway that holds client %s cannot pair: is it an older version?", id)
	}
	return session{
		id: reply.GetSessionId(), category: p.GetCategory(), recipient: p.GetRecipientKey(),
		offers: offersOf(p.GetPairMethods()), unpaired: p.GetUnpairedAccess(),
	}, nil
}

// Connected is nil when the client has a session that can pair.
func (a *Attempts) Connected(ctx context.Context, id string) error {
	_, err := a.query(ctx, id)
	return err
}

// errNotConnected is known to the enroller, which tries again.
var errNotConnected = errors.New("no session answers")

// NotConnected reports whether an attempt did not start because the client is away.
func NotConnected(err error) bool { return errors.Is(err, errNotConnected) }

// offersOf reads the descriptors of client/hello as the gateway passes them on.
func offersOf(methods []*pb.PairMethod) wire.PairMethods {
	var p wire.PairMethods
	for _, m := range methods {
		switch m.GetMethod() {
		case wire.MethodPSK:
			p.PSK = &wire.SecretMethod{Locations: m.GetLocations()}
		case wire.MethodStaticCode:
			p.StaticCode = &wire.SecretMethod{Locations: m.GetLocations()}
		case wire.MethodDynamicCode:
			p.DynamicCode = &wire.DynamicMethod{OutChannels: m.GetOutChannels(), Formats: m.GetFormats()}
		}
	}
	return p
}

// offered names what a client offers, for a person.
func offered(p wire.PairMethods) string {
	var all []string
	if p.PSK != nil {
		all = append(all, wire.MethodPSK)
	}
	if p.DynamicCode != nil {
		for _, f := range p.DynamicCode.Formats {
			all = append(all, methodName(wire.MethodDynamicCode, f))
		}
	}
	if p.StaticCode != nil {
		all = append(all, wire.MethodStaticCode)
	}
	if len(all) == 0 {
		return "no method"
	}
	return strings.Join(all, ", ")
}

func methodName(method, format string) string {
	if format == "" {
		return method
	}
	return method + " (" + format + ")"
}

// command sends one command to the session of the attempt.
func (m *attempt) command(ctx context.Context, c *pb.SessionCommand) (*pb.SessionReply, error) {
	c.SessionId = m.session.id
	var reply pb.SessionReply
	err := m.a.Bus.Request(ctx, subject.Session(m.req.ClientID), c, &reply)
	return &reply, err
}

// flowSession is what the flow has to know, from the answer to PairingBegin.
func flowSession(p *pb.PairingSession) (pairing.Session, error) {
	s := pairing.Session{Suite: noise.Suite(p.GetSuite()), Matched: noise.Category(p.GetCategory()), Index: p.GetPairingIndex()}
	if len(p.GetHandshakeHash()) != len(s.Hash) {
		return s, errors.New("the gateway did not say what keys the session")
	}
	copy(s.Hash[:], p.GetHandshakeHash())
	return s, nil
}

// context is a context for work that outlives a request, with the trace of the one
// that began the attempt.
func (m *attempt) context() context.Context {
	return bus.WithTraceID(context.Background(), m.trace)
}
