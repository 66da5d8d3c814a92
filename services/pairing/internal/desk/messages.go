package desk

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

func stateOf(s trust.State) pb.TrustState {
	switch s {
	case trust.Approved:
		return pb.TrustState_TRUST_STATE_APPROVED
	case trust.Paired:
		return pb.TrustState_TRUST_STATE_PAIRED
	case trust.CredentialMismatch:
		return pb.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH
	case trust.Denied:
		return pb.TrustState_TRUST_STATE_DENIED
	default:
		return pb.TrustState_TRUST_STATE_UNAPPROVED
	}
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// ends is when the approval ends by time; nil: never.
func ends(c trust.Client) *timestamppb.Timestamp {
	if c.Approval == nil {
		return nil
	}
	return stamp(c.Approval.Ends)
}

func fingerprint(id string) string {
	key, err := noise.ParsePublicKey(id)
	if err != nil {
		return ""
	}
	return key.Fingerprint()
}

// Record is the public half of what is on record.
func Record(c trust.Client) *pb.TrustRecord {
	r := &pb.TrustRecord{
		ClientId: c.ID, State: stateOf(c.State()), Label: c.Label, Name: c.Name,
		Manufacturer: c.Manufacturer, ProductName: c.ProductName, MacAddress: c.MAC, Address: c.Address,
		Fingerprint: fingerprint(c.ID), Warning: c.Warning, Paired: c.Paired,
		FirstSeenAt: stamp(c.FirstSeen), LastSeenAt: stamp(c.LastSeen),
		Blocked: c.Blocked(), Unpairing: c.Unpairing, PairedAt: stamp(c.PairedAt),
	}
	if c.Approval != nil {
		r.SourceAllowed, r.ControllerAllowed = c.Approval.Source, c.Approval.Controller
		r.ApprovedAt, r.ApprovalEndsAt = stamp(c.Approval.At), ends(c)
		r.ApprovalUntilDisconnect = c.Approval.UntilDisconnect
	}
	if c.Waiting != nil {
		r.WaitingReason = c.Waiting.Reason
		r.ExpiresAt = stamp(c.Waiting.Expires)
	}
	return r
}

func auditMessage(e Event) *pb.AuditEvent {
	return &pb.AuditEvent{
		Id: e.ID, At: timestamppb.New(e.At), Actor: e.Actor, Kind: e.Kind, ClientId: e.ClientID, Detail: e.Detail,
	}
}

func auditAnnouncement(e Event) Announcement {
	return Announcement{Kind: AnnounceAudit, Payload: encode(auditMessage(e))}
}

func trustAnnouncement(id string, s trust.State, kind string, disconnect bool) Announcement {
	return Announcement{Kind: AnnounceTrust, Key: id, Payload: encode(&pb.TrustChanged{
		ClientId: id, State: stateOf(s), Kind: kind, Disconnect: disconnect,
	})}
}

// encode: texts were cleaned before (valid UTF-8), so these messages always encode.
func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic("pairing: encode an announcement: " + err.Error())
	}
	return b
}
