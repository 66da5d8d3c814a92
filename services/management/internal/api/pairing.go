package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/pairing"
	"github.com/tutti-audio/tutti/sendspin/wire"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type startPairing struct {
	ClientPath
	Body startPairingBody
}

type startPairingBody struct {
	Method string `json:"method" enum:"pairing_psk,dynamic_pairing_code,static_pairing_code" doc:"One of the client's pair_methods." example:"dynamic_pairing_code"`
	Format string `json:"format,omitempty" enum:"digits,qr_code" doc:"With dynamic_pairing_code: how the device shows the code; default digits." example:"digits"`
	Token  string `json:"token,omitempty" maxLength:"512" doc:"With pairing_psk: the device's pairing token (SP:0…). It must be this device's."`
	Code   string `json:"code,omitempty" maxLength:"512" doc:"With static_pairing_code: the eight digits on the device or in its leaflet; separators do not count."`
}

type sendCode struct {
	ClientPath
	Body struct {
		Code string `json:"code" maxLength:"512" doc:"The digits that the device shows or says, with separators or without, or the text of its QR code (SP:1…)." example:"123-456"`
	}
}

type accepted[T any] struct {
	Location string `header:"Location"`
	Body     T
}

func (a *API) pairingRoutes() {
	const path = "/api/v1/clients/{client_id}/pairing"
	register(a, route{
		id: "start-pairing", method: http.MethodPost, path: path, tag: tagPairing, role: auth.RoleAdmin, status: http.StatusAccepted,
		summary: "Pair a device", doc: "Starts an attempt and answers at once; watch it by GET or by the event pairing.updated. A device has one attempt at a time: 409 says who started the one that runs. Playback goes on meanwhile.",
		errors:     []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		idempotent: true,
	}, a.startPairing)
	register(a, route{
		id: "get-pairing", method: http.MethodGet, path: path, tag: tagPairing, role: auth.RoleAdmin,
		summary: "The newest attempt", doc: "It stays after its end. 404 when there never was one.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *ClientPath) (*body[*model.Pairing], error) {
		_, p, err := a.pairing(in.ID)
		return answer(p), err
	})
	register(a, route{
		id: "send-pairing-code", method: http.MethodPost, path: path + "/code", tag: tagPairing, role: auth.RoleAdmin, status: http.StatusAccepted,
		summary: "Send the code", doc: "While the attempt is awaiting_code. After a wrong code it awaits the next one, in the next round. 409 in any other state.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.sendCode)
	register(a, route{
		id: "cancel-pairing", method: http.MethodDelete, path: path, tag: tagPairing, role: auth.RoleAdmin,
		summary: "Cancel the attempt", doc: "The device is told. One that is over stays as it is. 409 in the moment when it is too late: the pairing is stored already.",
		errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.cancelPairing)
}

// pairing finds a client and its newest attempt or answers fault.NotFound.
func (a *API) pairing(id string) (*model.Client, *model.Pairing, error) {
	c, err := a.client(id)
	if err != nil {
		return nil, nil, err
	}
	p := a.d.Projection.Snapshot().Pairing(id)
	if p == nil {
		return c, nil, fault.New(fault.NotFound, "nobody has tried to pair %s yet; POST starts an attempt", c.DisplayName())
	}
	return c, p, nil
}

func (a *API) startPairing(ctx context.Context, in *startPairing) (*accepted[*model.Pairing], error) {
	c, err := a.client(in.ID)
	if err != nil {
		return nil, err
	}
	secret, err := pairingSecret(in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	req := &pb.StartPairingRequest{ClientId: in.ID, Method: in.Body.Method, Format: in.Body.Format, Actor: who(ctx)}
	if req.Method == wire.MethodDynamicCode && req.Format == "" {
		req.Format = wire.FormatDigits
	}
	if secret != "" {
		if req.SealedSecret, err = a.seal(secret); err != nil {
			return nil, err
		}
	}
	out := &pb.PairingAttempt{}
	if err := a.ask(ctx, "pairing", subject.PairingStart, req, out); err != nil {
		return nil, a.elsewhere(in.ID, a.runsAlready(c, err))
	}
	a.logAct(ctx, "pairing.started", in.ID, c.DisplayName()+" by "+in.Body.Method)
	return &accepted[*model.Pairing]{
		Location: "/api/v1/clients/" + in.ID + "/pairing",
		Body:     a.shownPairing(ctx, in.ID, out),
	}, nil
}

// runsAlready says of a Conflict who holds the device, where that is known.
func (a *API) runsAlready(c *model.Client, err error) error {
	p := a.d.Projection.Snapshot().Pairing(c.ClientID)
	if fault.CodeOf(err) != fault.Conflict || p == nil || p.Ended() {
		return err
	}
	return fault.Wrap(fault.Conflict, err, "%s is being paired already: %s began at %s, and the attempt is %s; wait for its end, or cancel it with DELETE /api/v1/clients/%s/pairing",
		c.DisplayName(), p.Actor, p.StartedAt.Format(time.TimeOnly+" UTC"), p.State, c.ClientID)
}

// elsewhere says of a Conflict that another Sendspin server has the device, where that
// is so: to switch it on would not help.
func (a *API) elsewhere(id string, err error) error {
	c := a.d.Projection.Snapshot().Client(id)
	if fault.CodeOf(err) != fault.Conflict || c == nil || c.Blocked || !c.Elsewhere() {
		return err
	}
	return fault.Wrap(fault.Conflict, err, "another Sendspin server has %s now (%s), and it takes no connection of this one: release it there, or switch that server off, and start again when the device is listed as connected",
		c.DisplayName(), c.LastGoodbye)
}

// shownPairing waits for the read model to show an attempt, so that a GET that follows
// does, and returns it as it then is.
func (a *API) shownPairing(ctx context.Context, id string, v *pb.PairingAttempt) *model.Pairing {
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		p := s.Pairing(id)
		return p != nil && p.AttemptID == v.GetAttemptId()
	})
	if p := snap.Pairing(id); p != nil && p.AttemptID == v.GetAttemptId() {
		return p
	}
	return builtPairing(id, v)
}

func (a *API) sendCode(ctx context.Context, in *sendCode) (*accepted[*model.Pairing], error) {
	c, err := a.client(in.ID)
	if err != nil {
		return nil, err
	}
	p := a.newestPairing(ctx, in.ID)
	if p == nil || p.State != model.PairingAwaitingCode {
		return nil, noCodeWanted(c, p)
	}
	if err := codeProblem("body.code", in.Body.Code, codeLength(p)); err != nil {
		return nil, err
	}
	sealed, err := a.seal(in.Body.Code)
	if err != nil {
		return nil, err
	}
	out := &pb.PairingAttempt{}
	err = a.askAttempt(ctx, in.ID, &pb.AttemptRequest{
		AttemptId: p.AttemptID, Actor: who(ctx), Message: &pb.AttemptRequest_SealedCode{SealedCode: sealed},
	}, out)
	if fault.CodeOf(err) == fault.Unavailable {
		if now := a.endedPairing(ctx, in.ID); now != nil {
			return nil, noCodeWanted(c, now)
		}
	}
	if err != nil {
		return nil, blame(err, "body.code")
	}
	a.logAct(ctx, "pairing.code_sent", in.ID, c.DisplayName())
	return &accepted[*model.Pairing]{Location: "/api/v1/clients/" + in.ID + "/pairing", Body: a.afterCode(ctx, in.ID, p, out)}, nil
}

// newestPairing is a client's newest attempt. One that the read model shows before its
// code is wanted is asked itself: whoever reads the code off the device may be here
// before the news.
func (a *API) newestPairing(ctx context.Context, id string) *model.Pairing {
	p := a.d.Projection.Snapshot().Pairing(id)
	if p == nil || p.Ended() || p.State == model.PairingAwaitingCode {
		return p
	}
	out := &pb.PairingAttempt{}
	if a.askAttempt(ctx, id, &pb.AttemptRequest{AttemptId: p.AttemptID}, out) != nil {
		return p
	}
	return builtPairing(id, out)
}

// afterCode waits for the read model to be past the question that the code answered,
// so that a GET that follows does not put it again, and returns the attempt as it then
// is; out is what its actor said.
func (a *API) afterCode(ctx context.Context, id string, before *model.Pairing, out *pb.PairingAttempt) *model.Pairing {
	past := func(p *model.Pairing) bool {
		return p.Ended() || p.State == model.PairingVerifying || p.Round > before.Round
	}
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		p := s.Pairing(id)
		return p == nil || p.AttemptID != before.AttemptID || past(p)
	})
	if p := snap.Pairing(id); p != nil && p.AttemptID == before.AttemptID && past(p) {
		return p
	}
	return builtPairing(id, out)
}

// codeLength is how many digits the code of an attempt has; 0 for a scanned one.
func codeLength(p *model.Pairing) int {
	switch {
	case p.Format == wire.FormatQRCode:
		return 0
	case p.CodeLength > 0:
		return int(p.CodeLength)
	case p.Method == wire.MethodStaticCode:
		return pairing.StaticLen
	}
	return pairing.DigitsLen
}

func noCodeWanted(c *model.Client, p *model.Pairing) error {
	switch {
	case p == nil:
		return fault.New(fault.Conflict, "no attempt to pair %s runs, so no code is wanted; start one with POST /api/v1/clients/%s/pairing", c.DisplayName(), c.ClientID)
	case p.Ended():
		return fault.New(fault.Conflict, "no attempt to pair %s runs: the last one is %s; start another with POST /api/v1/clients/%s/pairing", c.DisplayName(), p.State, c.ClientID)
	case p.Method == wire.MethodPSK:
		return fault.New(fault.Conflict, "the attempt to pair %s goes by its token and takes no code; it is %s", c.DisplayName(), p.State)
	}
	return fault.New(fault.Conflict, "the attempt to pair %s is %s and takes a code only when it is awaiting_code", c.DisplayName(), p.State)
}

func (a *API) cancelPairing(ctx context.Context, in *ClientPath) (*body[*model.Pairing], error) {
	c, _, err := a.pairing(in.ID)
	if err != nil {
		return nil, err
	}
	out := &pb.PairingAttempt{}
	// Asked even of one that shows as ended: another may have begun a moment ago.
	err = a.askAttempt(ctx, in.ID, &pb.AttemptRequest{Actor: who(ctx), Message: &pb.AttemptRequest_Cancel{Cancel: true}}, out)
	switch {
	case err == nil:
		a.logAct(ctx, "pairing.cancelled", in.ID, c.DisplayName())
	case fault.CodeOf(err) == fault.Unavailable:
		if p := a.endedPairing(ctx, in.ID); p != nil {
			return answer(p), nil
		}
		return nil, err
	default:
		return nil, err
	}
	if p := a.endedPairing(ctx, in.ID); p != nil {
		return answer(p), nil
	}
	return answer(builtPairing(in.ID, out)), nil
}

// askAttempt asks the attempt that runs with a client. Unavailable means that none
// does, or that the pairing service is away.
func (a *API) askAttempt(ctx context.Context, id string, req *pb.AttemptRequest, out *pb.PairingAttempt) error {
	return a.ask(ctx, "pairing", subject.Attempt(id), req, out)
}

// endedPairing waits for the read model to show the end of a client's attempt; nil
// when it goes on showing one that runs.
func (a *API) endedPairing(ctx context.Context, id string) *model.Pairing {
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		p := s.Pairing(id)
		return p == nil || p.Ended()
	})
	if p := snap.Pairing(id); p != nil && p.Ended() {
		return p
	}
	return nil
}

// builtPairing is an attempt as its actor has just told it.
func builtPairing(id string, v *pb.PairingAttempt) *model.Pairing {
	p := readmodel.BuildPairing(v)
	p.ClientID = id
	return p
}
