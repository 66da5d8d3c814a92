package model

import "time"

// Server is the deployment as a whole.
type Server struct {
	ServerID   string     `json:"server_id" doc:"The deployment's public key; empty until the pairing service has told it."`
	Recipient  string     `json:"recipient,omitempty" doc:"The server's age recipient: other sites seal rosters to it."`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Languages  []string   `json:"languages" nullable:"false" doc:"BCP 47, most preferred first."`
	Policy     Policy     `json:"policy"`
	Mode       string     `json:"mode" enum:"embedded,distributed"`
	Instances  []Instance `json:"instances" nullable:"false" doc:"Service processes that are alive."`
	HouseClock HouseClock `json:"house_clock"`
	Encoders   []string   `json:"encoders" nullable:"false" doc:"What players can be sent." example:"[\"flac\",\"pcm\"]"`
	TLS        bool       `json:"tls" doc:"This API is served over TLS. Without it, browsers give microphone and camera to pages of the same machine alone (https or localhost)."`
}

// Policy is what strangers may do.
type Policy struct {
	Pairing    string `json:"pairing" enum:"required,optional" doc:"required: only paired or explicitly approved devices play. optional: trust on first use."`
	Rosters    string `json:"rosters" enum:"ask,accept" doc:"ask: an imported roster is only shown until it is accepted. accept: a newer one of a persona that was imported before is taken at once; a new persona is still asked about."`
	Controller string `json:"controller" enum:"paired_only,approved" doc:"Who may control the music from a device. paired_only: paired devices, and those whose approval says so. approved: every approved device."`
}

// Instance is one live service process.
type Instance struct {
	Service    string    `json:"service" example:"session-gateway"`
	InstanceID string    `json:"instance_id"`
	StartedAt  time.Time `json:"started_at"`
	Version    string    `json:"version,omitempty"`
	Host       string    `json:"host,omitempty"`
	Addresses  []string  `json:"addresses,omitempty" nullable:"false" doc:"Where a gateway listens for devices."`
	Ready      bool      `json:"ready" doc:"Whether it can do its work, as its /readyz says; true of a process of an older version, which does not say."`
	NotReady   string    `json:"not_ready,omitempty" doc:"Why it is not ready." example:"the database does not answer"`
	Draining   bool      `json:"draining" doc:"It is on its way out and hands over what it has."`
	Capacity   uint32    `json:"capacity,omitempty" doc:"How many sessions (of a gateway) or groups (of an instance of stream) it takes at most; absent when it does not say."`
}

// HouseClock is the one clock of all timestamps.
type HouseClock struct {
	NowUS         int64  `json:"now_us"`
	Leader        string `json:"leader" doc:"Instance that defines the clock."`
	UncertaintyUS int64  `json:"uncertainty_us"`
}

// Sighting is one device address that discovery knows.
type Sighting struct {
	Key         string     `json:"key"`
	URL         string     `json:"url"`
	Name        string     `json:"name,omitempty" doc:"A hint from mDNS."`
	Via         string     `json:"via" doc:"mdns, dns-sd, static or api."`
	Interface   string     `json:"interface,omitempty"`
	Present     bool       `json:"present" doc:"Whether mDNS shows it now; a vanished record never drops a session."`
	FirstSeen   *time.Time `json:"first_seen_at,omitempty"`
	LastSeen    *time.Time `json:"last_seen_at,omitempty"`
	Appearances uint64     `json:"appearances,omitempty" doc:"How often it came back."`
}

// Sightings is what GET /api/v1/sightings returns.
type Sightings struct {
	Sightings []Sighting `json:"sightings" nullable:"false"`
}

// AuditEvent is one line of the append-only ledger.
type AuditEvent struct {
	ID       uint64    `json:"id"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor" doc:"Who: token:<name>, policy, device, ..." example:"token:admin"`
	Kind     string    `json:"kind" doc:"What." example:"client.approved"`
	ClientID string    `json:"client_id,omitempty"`
	Detail   string    `json:"detail"`
}

// Audit is one page of the ledger, ordered by id.
type Audit struct {
	Events []AuditEvent `json:"events" nullable:"false"`
}

// Token is an API token without its secret.
type Token struct {
	TokenID    string     `json:"token_id"`
	Name       string     `json:"name"`
	Role       string     `json:"role" enum:"none,viewer,operator,admin" doc:"What it may do everywhere."`
	Zones      []ZoneRole `json:"zones" nullable:"false" doc:"What it may do in single groups beyond that."`
	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"From when on it is not valid; absent: it has no end."`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"To within some minutes; absent: never."`
}

// NewToken is a token at the one moment when its secret is shown.
type NewToken struct {
	Token
	Secret string `json:"token" doc:"Shown this once; only a hash is kept."`
}

// Tokens is what GET /api/v1/tokens returns.
type Tokens struct {
	Tokens []Token `json:"tokens" nullable:"false"`
}

// Removed is the body of client.removed, group.removed and schedule.removed in the live feed.
type Removed struct {
	ClientID   string `json:"client_id,omitempty"`
	GroupID    string `json:"group_id,omitempty"`
	ScheduleID string `json:"schedule_id,omitempty"`
}
