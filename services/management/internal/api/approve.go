package api

import (
	"context"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// longestApproval bounds an approval that ends. Who means longer gives it no end.
const longestApproval = 10 * 365 * 24 * time.Hour

type approveClient struct {
	ClientPath
	Body *approveBody
}

type approveBody struct {
	Source          *bool      `json:"source,omitempty" doc:"Also allow it to send audio, such as a line-in; default false."`
	Controller      *bool      `json:"controller,omitempty" doc:"Allow it to control the music, whatever the server's policy.controller says; default false: the policy decides."`
	Label           *string    `json:"label,omitempty" maxLength:"64" doc:"The operator's name for the device." example:"Kitchen, left"`
	AcceptWarning   string     `json:"accept_warning,omitempty" maxLength:"64" doc:"The warning that is held against the key, by its name: you have seen it and approve nevertheless." example:"name_reused_by_new_key"`
	UntilDisconnect bool       `json:"until_disconnect,omitempty" doc:"The approval ends with the present session. 409 when there is none."`
	EndsAt          *time.Time `json:"ends_at,omitempty" doc:"When the approval ends." example:"2026-12-24T18:00:00Z"`
	EndsInMS        *int64     `json:"ends_in_ms,omitempty" minimum:"1" maximum:"315360000000" doc:"The approval ends after this time." example:"43200000"`
}

func (a *API) approve(ctx context.Context, in *approveClient) (*body[*model.Client], error) {
	c, err := a.client(in.ID)
	if err != nil {
		return nil, err
	}
	req := &pb.ApproveRequest{ClientId: in.ID, Actor: who(ctx)}
	if b := in.Body; b != nil {
		if err := a.readApproval(c, b, req); err != nil {
			return nil, err
		}
	}
	if c.Warning != "" && req.AcceptWarning != c.Warning {
		return nil, heldAgainst(c)
	}
	t := &pb.TrustRecord{}
	if err := a.ask(ctx, "pairing", subject.PairingApprove, req, t); err != nil {
		return nil, err
	}
	a.logAct(ctx, "client.approved", in.ID, c.DisplayName())
	return a.afterDecision(ctx, c, t)
}

// heldAgainst says what is needed to approve a key in spite of its warning.
func heldAgainst(c *model.Client) error {
	return fault.New(fault.Conflict, "the warning %s is held against the key of %s: it may pose as a device you know; compare the fingerprint %s with the device, "+
		"then pair it, or approve it with \"accept_warning\": %q", c.Warning, c.DisplayName(), c.Fingerprint, c.Warning)
}

// readApproval checks a body and carries it over into req.
func (a *API) readApproval(c *model.Client, b *approveBody, req *pb.ApproveRequest) error {
	req.Source, req.Controller = b.Source != nil && *b.Source, b.Controller != nil && *b.Controller
	req.AcceptWarning, req.UntilDisconnect = b.AcceptWarning, b.UntilDisconnect
	if b.Label != nil {
		label, err := cleanLabel("body.label", *b.Label)
		if err != nil {
			return err
		}
		req.Label = label
	}
	end, err := a.approvalEnd(b)
	if err != nil {
		return err
	}
	if end != nil {
		req.EndsAt = timestamppb.New(*end)
	}
	if b.UntilDisconnect && !c.Connected {
		return fault.New(fault.Conflict, "%s is not connected, so an approval until it disconnects would end at once; wait until it is back, or give the approval another end", c.DisplayName())
	}
	return nil
}

// approvalEnd is when the approval ends; nil for one without a time. An approval
// has one end at most.
func (a *API) approvalEnd(b *approveBody) (*time.Time, error) {
	given := 0
	for _, is := range []bool{b.UntilDisconnect, b.EndsAt != nil, b.EndsInMS != nil} {
		if is {
			given++
		}
	}
	now := a.d.Clock.Now()
	switch {
	case given > 1:
		return nil, badField("body", "an approval has one end: until_disconnect, ends_at or ends_in_ms")
	case b.EndsInMS != nil:
		t := now.Add(time.Duration(*b.EndsInMS) * time.Millisecond).UTC()
		return &t, nil
	case b.EndsAt == nil:
		return nil, nil
	case !b.EndsAt.After(now):
		return nil, badField("body.ends_at", "is in the past")
	case b.EndsAt.Sub(now) > longestApproval:
		return nil, badField("body.ends_at", "is more than ten years away; leave it out for an approval without an end")
	}
	t := b.EndsAt.UTC()
	return &t, nil
}

// cleanLabel takes the white space around a label away and refuses what could drive
// a terminal.
func cleanLabel(where, label string) (string, error) {
	label = strings.TrimSpace(label)
	if strings.ContainsFunc(label, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
		return "", badField(where, "holds characters that cannot be shown")
	}
	return label, nil
}
