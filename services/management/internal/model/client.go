// Package model holds the objects of the operator API as Go types: what the
// GETs return, what the live feed carries, and what the OpenAPI document says.
//
// Objects are immutable once built; a change is a new object. Slices are never
// nil, so that they encode as [] and not as null.
package model

import (
	"time"
	"unicode"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Trust values of Client.Trust.
const (
	TrustPaired     = "paired"
	TrustApproved   = "approved"
	TrustUnapproved = "unapproved"
	TrustMismatch   = "credential_mismatch"
	TrustDenied     = "denied"
)

// Client is a device that speaks Sendspin, known by its key.
type Client struct {
	ClientID    string      `json:"client_id" doc:"The device's public key: 43 characters of base64url (Sendspin specification, Identities)." example:"gH2Lr3xgBN2ZtsJMtTLZ8Xr8mZb6cLZ9kq0p6Y3Wm1A"`
	Name        string      `json:"name" doc:"Name as the device states it." example:"Kitchen"`
	Label       string      `json:"label,omitempty" doc:"Name that the operator gave; shown first."`
	Fingerprint string      `json:"fingerprint,omitempty" doc:"The key in a short, speakable form."`
	DeviceInfo  *DeviceInfo `json:"device_info,omitempty" doc:"What the device says about itself."`

	SupportedRoles []string `json:"supported_roles" nullable:"false" doc:"Roles that the device offers, most preferred first." example:"[\"player@v1\"]"`
	ActiveRoles    []string `json:"active_roles" nullable:"false" doc:"Roles that the server activated; empty without trust or connection."`
	Activities     []string `json:"activities" nullable:"false" doc:"What the server declared it does with the device, such as playback."`

	Connected   bool       `json:"connected" doc:"Whether there is a live session."`
	Connection  *string    `json:"connection" doc:"Who dialled: outbound (the server), inbound (the device), null while not connected."`
	ConnectedAt *time.Time `json:"connected_at,omitempty" doc:"Since when the present session lives."`
	Address     string     `json:"address,omitempty" doc:"Last peer address, host:port."`
	Gateway     string     `json:"gateway,omitempty" doc:"Gateway instance that holds, or last held, the session."`
	Dialect     *string    `json:"dialect" doc:"Protocol revision the device speaks: current, 2026-08 or legacy; null when not known."`
	Suite       string     `json:"suite,omitempty" doc:"Noise cipher suite of the session."`
	Stage       string     `json:"stage,omitempty" doc:"Where the handshake stands while it is not finished."`
	LastError   string     `json:"last_error,omitempty" doc:"Why the last session ended, in words."`
	Reconnects  uint64     `json:"reconnects,omitempty" doc:"How often the device came back."`

	Trust         string       `json:"trust" enum:"paired,approved,unapproved,credential_mismatch,denied" doc:"How far the device may go."`
	Waiting       string       `json:"waiting,omitempty" doc:"Why the device waits in the inbox; absent when it does not."`
	PairMethods   []PairMethod `json:"pair_methods" nullable:"false" doc:"Pairing methods that the device offers."`
	UnpairedOK    bool         `json:"unpaired_access" doc:"Whether the device admits sessions without pairing."`
	SourceAllowed bool         `json:"source_allowed,omitempty" doc:"Whether the operator allowed it to send audio."`

	Blocked                 bool       `json:"blocked" doc:"Denied for good: it never shows up in the inbox. trust is denied then."`
	ControllerAllowed       bool       `json:"controller_allowed" doc:"Whether its approval allows the controller role, whatever the policy says."`
	ApprovalEndsAt          *time.Time `json:"approval_ends_at,omitempty" doc:"When its approval ends; absent when it has no end."`
	ApprovalUntilDisconnect bool       `json:"approval_until_disconnect" doc:"Whether its approval ends with the present session."`
	Unpairing               bool       `json:"unpairing" doc:"The operator unpaired it, and the device is told when it next appears."`
	PairedAt                *time.Time `json:"paired_at,omitempty"`
	PersonaID               string     `json:"persona_id,omitempty" doc:"The persona whose active device it is."`

	Warning string `json:"warning,omitempty" doc:"Impostor signal, such as name_reused_by_new_key or identity_changed."`

	Available *bool  `json:"available" doc:"Whether the device can do its work at this moment, as it says; null when it did not say."`
	GroupID   string `json:"group_id,omitempty" doc:"The group that the device plays in."`
	HomeID    string `json:"home_group_id,omitempty" doc:"The zone into which an operator put the device: its quiet hours hold for it wherever it plays. Another one than group_id while a controller has switched it, or it has left by itself."`

	Tuning  *Tuning  `json:"tuning,omitempty" doc:"What the operator set for the player; absent when nothing is."`
	Limits  *Limits  `json:"limits,omitempty" doc:"What the volume is held to; absent: 0 to 100. The narrower of the client's own and its persona's."`
	Ignored []string `json:"ignored,omitempty" nullable:"false" doc:"What the device said that this server does not know and ignored, such as message:client/example: the device speaks a newer revision."`

	Player *Player `json:"player,omitempty" doc:"Present when the device offers the player role."`
	Source *Source `json:"source,omitempty" doc:"Present when the device offers the source role."`
	Sync   *Sync   `json:"sync,omitempty" doc:"Clock exchange of the present session; absent before the first."`

	FirstSeenAt  time.Time `json:"first_seen_at" doc:"When the key was first seen."`
	LastSeenAt   time.Time `json:"last_seen_at" doc:"When the device was last heard of."`
	LastGoodbye  string    `json:"last_goodbye,omitempty" doc:"Reason of the device's last client/goodbye."`
	UnknownRoles []string  `json:"unknown_roles,omitempty" nullable:"false" doc:"Roles the device offers that this server does not implement: a newer device than server."`
}

// DeviceInfo is what the device says about itself in client/hello.
type DeviceInfo struct {
	ProductName     string `json:"product_name,omitempty"`
	Manufacturer    string `json:"manufacturer,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`
	MACAddress      string `json:"mac_address,omitempty"`
}

// PairMethod is one pairing method that the device offers.
type PairMethod struct {
	Method      string   `json:"method" doc:"pairing_psk, dynamic_pairing_code or static_pairing_code."`
	Formats     []string `json:"formats,omitempty" nullable:"false"`
	OutChannels []string `json:"out_channels,omitempty" nullable:"false"`
	Locations   []string `json:"locations,omitempty" nullable:"false"`
}

// AudioFormat is one format of audio.
type AudioFormat struct {
	Codec      string `json:"codec" minLength:"1" maxLength:"16" doc:"pcm, flac or opus." example:"flac"`
	SampleRate int32  `json:"sample_rate" minimum:"1" maximum:"768000" doc:"Hz." example:"44100"`
	Channels   int32  `json:"channels" minimum:"1" maximum:"16" example:"2"`
	BitDepth   int32  `json:"bit_depth" minimum:"0" maximum:"32" doc:"Bits per sample; meaningless for opus." example:"16"`
}

// Player is the player side of a client.
type Player struct {
	Volume             *int32        `json:"volume,omitempty" doc:"0 to 100, perceived loudness; absent when the device has none."`
	Muted              *bool         `json:"muted,omitempty"`
	OutputDelayMS      int32         `json:"output_delay_ms" doc:"What the device's output adds after it (0 to 5000)."`
	RequiredLeadTimeMS int64         `json:"required_lead_time_ms" doc:"How long before its time the first audio must arrive."`
	MinBufferMS        int64         `json:"min_buffer_ms" doc:"Least audio ahead for safe playback."`
	SupportedCommands  []string      `json:"supported_commands" nullable:"false" doc:"What the device lets the server set: volume, mute, set_output_delay."`
	SupportedFormats   []AudioFormat `json:"supported_formats" nullable:"false" doc:"Most preferred first."`
	PreferredFormat    *AudioFormat  `json:"preferred_format,omitempty" doc:"What the operator chose, else the device's own preference at this moment."`
	StreamFormat       *AudioFormat  `json:"stream_format,omitempty" doc:"What it is being sent now."`
	BufferCapacity     int64         `json:"buffer_capacity" doc:"Bytes of compressed audio that the device can hold."`
	BufferedMS         int64         `json:"buffered_ms" doc:"Audio that was sent and has not played yet."`
	BufferedBytes      int64         `json:"buffered_bytes"`
	ChunksSent         uint64        `json:"chunks_sent,omitempty"`
	ChunksLate         uint64        `json:"chunks_late,omitempty" doc:"Chunks skipped because their time had come."`
	ChunksLateNow      uint64        `json:"chunks_late_10s,omitempty" doc:"Those of the last ten seconds or so."`
	MinLeadMS          int64         `json:"min_lead_ms,omitempty" doc:"Smallest lead of the last 10 s."`
}

// Source is the line-in side of a client.
type Source struct {
	Signal    *string `json:"signal,omitempty" doc:"present or absent, where the device senses its line."`
	Streaming bool    `json:"streaming" doc:"Whether the device sends audio now."`

	Format *AudioFormat `json:"format,omitempty" doc:"Of what it sends now."`
	Error  string       `json:"error,omitempty" doc:"Why what it sends cannot be used."`
}

// Sync is how well the device's clock can be known.
type Sync struct {
	RTTUS              int64     `json:"rtt_us" doc:"Round trip in microseconds; 0 when not known."`
	LastTimeExchangeAt time.Time `json:"last_time_exchange_at"`
}

// Elsewhere reports whether the device left for another Sendspin server, or turned this
// one away because another has it. It is on, and does not take a connection of ours now.
func (c *Client) Elsewhere() bool {
	return !c.Connected && (c.LastGoodbye == wire.GoodbyeAnotherServer || c.LastGoodbye == wire.GoodbyeConcurrentAttempt)
}

// DisplayName is the label, else the stated name, else the start of the key: for
// sentences, so it is short and plain whatever a device states.
func (c *Client) DisplayName() string {
	switch {
	case c.Label != "":
		return plain(c.Label)
	case c.Name != "":
		return plain(c.Name)
	case len(c.ClientID) > 8:
		return c.ClientID[:8]
	}
	return c.ClientID
}

// longestName is how many characters of a name a sentence shows.
const longestName = 64

// plain cuts a name and takes out what could drive a terminal.
func plain(name string) string {
	r := []rune(name)
	if len(r) > longestName {
		r = append(r[:longestName-1], '…')
	}
	for i, c := range r {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			r[i] = '·'
		}
	}
	return string(r)
}

// InboxEntry is a device that waits for approval or pairing.
type InboxEntry struct {
	ClientID       string     `json:"client_id"`
	Name           string     `json:"name" doc:"As the device states it: anybody can claim any name. Compare the fingerprint."`
	Address        string     `json:"address"`
	Fingerprint    string     `json:"fingerprint" doc:"The key in a short, speakable form."`
	FirstSeenAt    time.Time  `json:"first_seen_at"`
	ExpiresAt      *time.Time `json:"expires_at,omitempty" doc:"When the entry goes by itself."`
	Reason         string     `json:"reason" doc:"new, credential_mismatch, identity_changed, name_reused_by_new_key, revoked, approval_ended, denied or pairing_required."`
	Warning        string     `json:"warning,omitempty" doc:"Impostor signal; absent when nothing is held against the key."`
	Detail         string     `json:"detail,omitempty" doc:"Reason and warning as a sentence, with the next step."`
	Manufacturer   string     `json:"manufacturer,omitempty" doc:"As the device states it."`
	ProductName    string     `json:"product_name,omitempty" doc:"As the device states it."`
	MACAddress     string     `json:"mac_address,omitempty" doc:"As the device states it."`
	SupportedRoles []string   `json:"supported_roles" nullable:"false"`
	Connected      bool       `json:"connected"`

	PairMethods []PairMethod `json:"pair_methods" nullable:"false" doc:"Pairing methods that the device offers."`
	UnpairedOK  bool         `json:"unpaired_access" doc:"Whether the device admits sessions without pairing; if not, approval alone cannot help."`
}

// Inbox is what GET /api/v1/inbox returns.
type Inbox struct {
	Waiting []InboxEntry `json:"waiting" nullable:"false"`
}
