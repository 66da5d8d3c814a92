package desk

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

const (
	// maxTokens is how many tokens one request may bring.
	maxTokens = 1000
	// maxEnrolments bounds the list, so that it fits into one answer.
	maxEnrolments = 2000
	// enrolBatch is how many tokens one transaction takes, so that a long list stays
	// within the time that the store gives an operation.
	enrolBatch = 50
	// enrolmentKept is how long a finished enrolment stays in the list.
	enrolmentKept = 24 * time.Hour
)

// States of an enrolment.
const (
	EnrolWaiting = "waiting"
	EnrolPairing = "pairing"
	EnrolPaired  = "paired"
	EnrolFailed  = "failed"
)

// What becomes of a token that is not taken.
const (
	enrolAlreadyPaired = "already_paired"
	enrolDuplicate     = "duplicate"
	enrolInvalid       = "invalid"
)

var errFull = fmt.Errorf("%d tokens are enrolled already: remove some first", maxEnrolments)

// Enrolment is a pairing PSK that waits for its device, or did.
type Enrolment struct {
	ClientID string
	// SealedPSK is sealed for its place; nil once the client is paired.
	SealedPSK []byte
	Actor     string
	State     string
	Detail    string
	Attempts  int
	Added     time.Time
	Updated   time.Time
}

// EnrolmentTx is the part of Tx that keeps enrolments.
type EnrolmentTx interface {
	// StoredPairing is ErrNotFound for a client without a pairing record.
	StoredPairing(ctx context.Context, id string) (PairingRecord, error)

	// PutEnrolment writes the enrolment of a client, which need not have a record.
	PutEnrolment(ctx context.Context, e Enrolment) error
	// Enrolment is ErrNotFound for a client that is not enrolled.
	Enrolment(ctx context.Context, id string) (Enrolment, error)
	// Enrolments lists the oldest, by the time of adding.
	Enrolments(ctx context.Context, limit int) ([]Enrolment, error)
	// DeleteEnrolment reports whether there was one.
	DeleteEnrolment(ctx context.Context, id string) (bool, error)
	// SweepEnrolments removes those that were paired before.
	SweepEnrolments(ctx context.Context, before time.Time) (int, error)
}

func enrolPlace(id string) secret.Place {
	return secret.Place{Table: "enrolments", Column: "sealed_psk", Row: id}
}

// token is one token of a request, read.
type token struct {
	id  string
	psk []byte
}

// Enrol takes tokens down: each client is paired as soon as it is seen. One token
// that cannot be read does not keep the others out.
func (d *Desk) Enrol(ctx context.Context, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	if n := len(req.GetSealedTokens()); n == 0 || n > maxTokens {
		return nil, fault.New(fault.OutOfRange, "a request takes 1 to %d tokens, and this one has %d", maxTokens, n).
			WithField("tokens", "too many or none")
	}
	resp := &pb.EnrolResponse{}
	tokens := make([]*token, len(req.GetSealedTokens()))
	seen := map[string]bool{}
	for i, sealed := range req.GetSealedTokens() {
		result := &pb.EnrolResult{State: EnrolWaiting}
		resp.Results = append(resp.Results, result)
		t, err := d.readToken(sealed)
		switch {
		case err != nil:
			result.State, result.Error = enrolInvalid, err.Error()
		case seen[t.id]:
			result.ClientId, result.State = t.id, enrolDuplicate
			clear(t.psk)
		default:
			result.ClientId, seen[t.id], tokens[i] = t.id, true, t
			defer clear(t.psk)
		}
	}
	for from := 0; from < len(tokens); from += enrolBatch {
		to := min(from+enrolBatch, len(tokens))
		if err := d.enrol(ctx, actor, tokens[from:to], resp.Results[from:to]); err != nil {
			return nil, err
		}
	}
	d.Announcer.Kick()
	return resp, nil
}

// readToken opens and decodes one token. The error never repeats it.
func (d *Desk) readToken(sealed []byte) (*token, error) {
	plain, err := d.OpenSealed(sealed)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	t, err := pairtoken.DecodePSK(string(plain))
	defer clear(t.PSK[:])
	switch {
	case errors.Is(err, pairtoken.ErrVersion):
		return nil, errors.New("this is no pairing token of a device: it must begin with SP:0")
	case err != nil:
		return nil, errors.New("the pairing token is damaged: copy it again, whole")
	}
	return &token{id: noise.PublicKey(t.ClientKey).ID(), psk: bytes.Clone(t.PSK[:])}, nil
}

// enrol writes one batch.
func (d *Desk) enrol(ctx context.Context, actor string, tokens []*token, results []*pb.EnrolResult) error {
	return d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockEnrolments); err != nil {
			return err
		}
		all, err := tx.Enrolments(ctx, maxEnrolments)
		if err != nil {
			return err
		}
		room := maxEnrolments - len(all)
		for i, t := range tokens {
			if t == nil {
				continue
			}
			results[i].Error = ""
			results[i].State, err = d.enrolOne(ctx, tx, actor, t, &room)
			switch {
			case errors.Is(err, errFull):
				results[i].State, results[i].Error = enrolInvalid, err.Error()
			case err != nil:
				return err
			}
		}
		return nil
	})
}

func (d *Desk) enrolOne(ctx context.Context, tx Tx, actor string, t *token, room *int) (state string, err error) {
	c, err := tx.Client(ctx, t.id)
	if err == nil && c.Paired && !c.Mismatch {
		return enrolAlreadyPaired, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", err
	}
	old, err := tx.Enrolment(ctx, t.id)
	switch {
	case err == nil && old.State != EnrolPaired && old.State != EnrolFailed && d.samePSK(old, t.psk):
		return enrolDuplicate, nil
	case errors.Is(err, ErrNotFound):
		if *room <= 0 {
			return "", errFull
		}
		*room--
	case err != nil:
		return "", err
	}
	sealed, err := d.key.Seal(t.psk, enrolPlace(t.id))
	if err != nil {
		return "", err
	}
	now := d.now()
	e := Enrolment{ClientID: t.id, SealedPSK: sealed, Actor: actor, State: EnrolWaiting, Added: now, Updated: now}
	if err := tx.PutEnrolment(ctx, e); err != nil {
		return "", err
	}
	_, err = d.append(ctx, tx, actor, "enrolment.added", t.id, "key "+fingerprint(t.id))
	return EnrolWaiting, err
}

func (d *Desk) samePSK(e Enrolment, psk []byte) bool {
	old, err := d.key.Open(e.SealedPSK, enrolPlace(e.ClientID))
	if err != nil {
		return false
	}
	defer clear(old)
	return subtle.ConstantTimeCompare(old, psk) == 1
}

// Enrolments lists who waits.
func (d *Desk) Enrolments(ctx context.Context) ([]Enrolment, error) {
	var all []Enrolment
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		all, err = tx.Enrolments(ctx, maxEnrolments)
		return err
	})
	return all, err
}

// ListEnrolments answers tokens.list.
func (d *Desk) ListEnrolments(ctx context.Context, _ *pb.ListEnrolmentsRequest) (*pb.ListEnrolmentsResponse, error) {
	all, err := d.Enrolments(ctx)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListEnrolmentsResponse{}
	for _, e := range all {
		resp.Enrolments = append(resp.Enrolments, &pb.Enrolment{
			ClientId: e.ClientID, Fingerprint: fingerprint(e.ClientID), State: e.State, Detail: e.Detail,
			Actor: e.Actor, Attempts: uint32(e.Attempts),
			AddedAt: timestamppb.New(e.Added), UpdatedAt: timestamppb.New(e.Updated),
		})
	}
	return resp, nil
}

// dropEnrolment takes back a token that waits for a client which an operator unpairs
// or forgets: or the next appearance of the device would undo that decision.
func (d *Desk) dropEnrolment(ctx context.Context, tx Tx, actor, id string) error {
	e, err := tx.Enrolment(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tx.DeleteEnrolment(ctx, id); err != nil || e.State == EnrolPaired {
		return err
	}
	_, err = d.append(ctx, tx, actor, "enrolment.removed", id, "with the client, key "+fingerprint(id))
	return err
}

// RemoveEnrolment answers tokens.remove; NotFound when there is none. An attempt
// that runs for it goes on.
func (d *Desk) RemoveEnrolment(ctx context.Context, req *pb.ClientRequest) (*pb.Empty, error) {
	id := req.GetClientId()
	if err := checkClient(id); err != nil {
		return nil, err
	}
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	err = d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockEnrolments); err != nil {
			return err
		}
		was, err := tx.DeleteEnrolment(ctx, id)
		if err != nil {
			return err
		}
		if !was {
			return fault.New(fault.NotFound, "no token waits for client %s", id)
		}
		_, err = d.append(ctx, tx, actor, "enrolment.removed", id, "key "+fingerprint(id))
		return err
	})
	if err != nil {
		return nil, err
	}
	d.Announcer.Kick()
	return &pb.Empty{}, nil
}

// Enrolled is an enrolment that may be worked on, with its client and its PSK.
type Enrolled struct {
	Enrolment
	Client trust.Client
	// PSK is zero when there is nothing to do: the enrolment is finished, or the
	// client is paired already.
	PSK noise.PSK
}

// Enrolled reads what the enroller needs of a client; ErrNotFound when it is not
// enrolled. A client without a record is one that was not seen yet.
func (d *Desk) Enrolled(ctx context.Context, id string) (Enrolled, error) {
	var e Enrolled
	err := d.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		if e.Enrolment, err = tx.Enrolment(ctx, id); err != nil {
			return err
		}
		e.Client, err = tx.Client(ctx, id)
		if errors.Is(err, ErrNotFound) {
			e.Client = trust.Client{ID: id}
			return nil
		}
		return err
	})
	if err != nil || e.SealedPSK == nil || e.Client.Paired && !e.Client.Mismatch {
		return e, err
	}
	raw, err := d.key.Open(e.SealedPSK, enrolPlace(id))
	if err != nil {
		return e, fmt.Errorf("the enrolled token of %s cannot be opened: %w", id, err)
	}
	defer clear(raw)
	e.PSK, err = noise.NewPSK(raw)
	return e, err
}

// Progress says how the enrolment of a client goes on. It has no effect on one that
// is not there any more. state EnrolPaired deletes the secret.
func (d *Desk) Progress(ctx context.Context, id, state, detail string) error {
	return d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockEnrolments); err != nil {
			return err
		}
		e, err := tx.Enrolment(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		e.State, e.Detail, e.Updated = state, trust.Clean(detail, maxDetail), d.now()
		switch state {
		case EnrolPairing:
			e.Attempts++
		case EnrolPaired:
			e.SealedPSK = nil
		}
		return tx.PutEnrolment(ctx, e)
	})
}

// SweepEnrolments forgets what was finished a day ago.
func (d *Desk) SweepEnrolments(ctx context.Context) error {
	return d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.SweepEnrolments(ctx, d.now().Add(-enrolmentKept))
		if err == nil && n > 0 {
			d.Log.Info("finished enrolments swept", obs.KeyCount, n)
		}
		return err
	})
}
