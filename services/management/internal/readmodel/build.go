package readmodel

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// buildClient merges what the gateway and pairing know of one key. Either may be
// nil, not both. now fills the times that nobody stated.
func buildClient(id string, p *pb.ClientPresence, t *pb.TrustRecord, groupID, homeID string, now time.Time) *model.Client {
	c := &model.Client{
		ClientID:       id,
		Name:           firstOf(p.GetName(), t.GetName()),
		Label:          t.GetLabel(),
		Fingerprint:    t.GetFingerprint(),
		DeviceInfo:     buildDeviceInfo(p, t),
		SupportedRoles: list(p.GetSupportedRoles()),
		UnknownRoles:   p.GetUnknownRoles(),
		Ignored:        p.GetIgnored(),
		Limits:         buildLimits(p.GetLimits()),
		ActiveRoles:    []string{},
		Activities:     []string{},
		Connected:      p.GetConnected(),
		Address:        firstOf(p.GetAddress(), t.GetAddress()),
		Gateway:        p.GetGatewayId(),
		Dialect:        optional(p.GetDialect()),
		Suite:          p.GetSuite(),
		LastError:      p.GetLastError(),
		Reconnects:     p.GetReconnects(),
		Trust:          trustOf(p, t),
		Waiting:        t.GetWaitingReason(),
		PairMethods:    buildPairMethods(p.GetPairMethods()),
		UnpairedOK:     p.GetUnpairedAccess(),
		Warning:        t.GetWarning(),
		GroupID:        groupID,
		HomeID:         homeID,
		LastGoodbye:    p.GetLastGoodbye(),
	}
	addDecisions(c, t)
	if s := p.GetStage(); s != "ready" {
		c.Stage = s
	}
	if p.GetConnected() {
		c.Connection = optional(p.GetConnection())
		c.ConnectedAt = at(p.GetConnectedAt())
		c.ActiveRoles, c.Activities = list(p.GetActiveRoles()), list(p.GetActivities())
		c.Available = p.Available
		if t := at(p.GetLastTimeExchangeAt()); t != nil {
			c.Sync = &model.Sync{RTTUS: p.GetRttUs(), LastTimeExchangeAt: *t}
		}
	}
	if offers(c.SupportedRoles, "player") || p.GetPlayerSupport() != nil {
		c.Player = buildPlayer(p)
	}
	if offers(c.SupportedRoles, "source") {
		c.Source = buildSource(p)
	}
	c.FirstSeenAt = earliest(now, t.GetFirstSeenAt(), p.GetConnectedAt())
	c.LastSeenAt = latest(c.FirstSeenAt, t.GetLastSeenAt(), p.GetLastSeenAt())
	return c
}

// addDecisions adds what the operator decided on the key.
func addDecisions(c *model.Client, t *pb.TrustRecord) {
	c.SourceAllowed, c.ControllerAllowed = t.GetSourceAllowed(), t.GetControllerAllowed()
	c.Blocked, c.Unpairing = t.GetBlocked(), t.GetUnpairing()
	c.ApprovalEndsAt, c.ApprovalUntilDisconnect = at(t.GetApprovalEndsAt()), t.GetApprovalUntilDisconnect()
	c.PairedAt, c.PersonaID = at(t.GetPairedAt()), t.GetPersonaId()
}

// trustOf decides Client.trust. The trust record is pairing's word and comes
// first; presence can only take away from it (a record exists, but the present
// session matched the Sentinel PSK) or speak where there is no record yet.
func trustOf(p *pb.ClientPresence, t *pb.TrustRecord) string {
	state := t.GetState()
	if state == pb.TrustState_TRUST_STATE_UNSPECIFIED {
		state = p.GetTrust()
	}
	mismatch := p.GetConnected() && p.GetCredentialMismatch()
	switch state {
	case pb.TrustState_TRUST_STATE_PAIRED:
		if mismatch {
			return model.TrustMismatch
		}
		return model.TrustPaired
	case pb.TrustState_TRUST_STATE_APPROVED:
		return model.TrustApproved
	case pb.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH:
		return model.TrustMismatch
	case pb.TrustState_TRUST_STATE_DENIED:
		return model.TrustDenied
	}
	return model.TrustUnapproved
}

// Shows reports whether c shows what the trust record t says.
func Shows(c *model.Client, t *pb.TrustRecord) bool {
	want := &model.Client{}
	addDecisions(want, t)
	return c.Trust == trustOf(nil, t) && c.Label == t.GetLabel() && c.Waiting == t.GetWaitingReason() && c.Warning == t.GetWarning() &&
		c.SourceAllowed == want.SourceAllowed && c.ControllerAllowed == want.ControllerAllowed &&
		c.Blocked == want.Blocked && c.Unpairing == want.Unpairing && c.PersonaID == want.PersonaID &&
		sameTime(c.ApprovalEndsAt, want.ApprovalEndsAt) && c.ApprovalUntilDisconnect == want.ApprovalUntilDisconnect
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

func buildDeviceInfo(p *pb.ClientPresence, t *pb.TrustRecord) *model.DeviceInfo {
	d := p.GetDeviceInfo()
	info := model.DeviceInfo{
		ProductName:     firstOf(d.GetProductName(), t.GetProductName()),
		Manufacturer:    firstOf(d.GetManufacturer(), t.GetManufacturer()),
		SoftwareVersion: d.GetSoftwareVersion(),
		MACAddress:      firstOf(d.GetMacAddress(), t.GetMacAddress()),
	}
	if info == (model.DeviceInfo{}) {
		return nil
	}
	return &info
}

func buildPairMethods(in []*pb.PairMethod) []model.PairMethod {
	out := make([]model.PairMethod, 0, len(in))
	for _, m := range in {
		out = append(out, model.PairMethod{
			Method: m.GetMethod(), Formats: m.GetFormats(),
			OutChannels: m.GetOutChannels(), Locations: m.GetLocations(),
		})
	}
	return out
}

func buildPlayer(p *pb.ClientPresence) *model.Player {
	s := p.GetPlayer()
	out := &model.Player{
		OutputDelayMS:      s.GetOutputDelayMs(),
		RequiredLeadTimeMS: s.GetRequiredLeadTimeMs(),
		MinBufferMS:        s.GetMinBufferMs(),
		SupportedCommands:  list(s.GetSupportedCommands()),
		SupportedFormats:   make([]model.AudioFormat, 0, len(p.GetPlayerSupport().GetSupportedFormats())),
		PreferredFormat:    buildFormat(s.GetFormat()),
		BufferCapacity:     p.GetPlayerSupport().GetBufferCapacity(),
	}
	if s != nil {
		out.Volume, out.Muted = s.Volume, s.Muted
	}
	for _, f := range p.GetPlayerSupport().GetSupportedFormats() {
		out.SupportedFormats = append(out.SupportedFormats, *buildFormat(f))
	}
	if st := p.GetStream(); st != nil && p.GetConnected() {
		out.StreamFormat = buildFormat(st.GetFormat())
		out.BufferedMS, out.BufferedBytes = st.GetBufferedMs(), st.GetBufferedBytes()
		out.ChunksSent, out.ChunksLate = st.GetChunksSent(), st.GetChunksLate()
		out.MinLeadMS, out.ChunksLateNow = st.GetMinLeadMs(), st.GetLate_10S()
	}
	return out
}

func buildSource(p *pb.ClientPresence) *model.Source {
	s := &model.Source{}
	if p != nil && p.GetConnected() {
		s.Signal = p.SourceSignal
		s.Streaming, s.Format, s.Error = p.GetSource().GetStreaming(), buildFormat(p.GetSource().GetFormat()), p.GetSource().GetError()
	}
	return s
}

func buildFormat(f *pb.AudioFormat) *model.AudioFormat {
	if f == nil {
		return nil
	}
	return &model.AudioFormat{
		Codec: f.GetCodec(), SampleRate: f.GetSampleRate(),
		Channels: f.GetChannels(), BitDepth: f.GetBitDepth(),
	}
}

func buildInboxEntry(c *model.Client, t *pb.TrustRecord) model.InboxEntry {
	e := model.InboxEntry{
		ClientID: c.ClientID, Name: c.Name, Address: c.Address, Fingerprint: c.Fingerprint,
		FirstSeenAt: c.FirstSeenAt, ExpiresAt: at(t.GetExpiresAt()),
		Reason: t.GetWaitingReason(), Warning: t.GetWarning(),
		Detail:         inboxDetail(t.GetWaitingReason(), t.GetWarning()),
		SupportedRoles: c.SupportedRoles, Connected: c.Connected,
		PairMethods: c.PairMethods, UnpairedOK: c.UnpairedOK,
	}
	if d := c.DeviceInfo; d != nil {
		e.Manufacturer, e.ProductName, e.MACAddress = d.Manufacturer, d.ProductName, d.MACAddress
	}
	return e
}

// offers reports whether roles has any version of a role family.
func offers(roles []string, family string) bool {
	return slices.ContainsFunc(roles, func(r string) bool {
		f, _, _ := strings.Cut(r, "@")
		return f == family
	})
}

// list is a copy of in that is never nil.
func list(in []string) []string { return append(make([]string, 0, len(in)), in...) }

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func at(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	v := t.AsTime().UTC()
	return &v
}

// earliest is the smallest stated time; fallback when none is stated.
func earliest(fallback time.Time, ts ...*timestamppb.Timestamp) time.Time {
	var out time.Time
	for _, t := range ts {
		if t == nil {
			continue
		}
		if v := t.AsTime().UTC(); out.IsZero() || v.Before(out) {
			out = v
		}
	}
	if out.IsZero() {
		return fallback
	}
	return out
}

// latest is the largest of floor and the stated times.
func latest(floor time.Time, ts ...*timestamppb.Timestamp) time.Time {
	for _, t := range ts {
		if t == nil {
			continue
		}
		if v := t.AsTime().UTC(); v.After(floor) {
			floor = v
		}
	}
	return floor
}
