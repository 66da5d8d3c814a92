package model

import "time"

// Persona is a lasting endpoint whose devices change, or the server itself.
type Persona struct {
	PersonaID     string          `json:"persona_id" example:"p-f8Y3qSGiwSTubhYQ"`
	Name          string          `json:"name" doc:"What its active device is called." example:"Lobby left"`
	Kind          string          `json:"kind" enum:"endpoint,server" doc:"server: its devices are the server's keys, the active one in use."`
	PublicKey     string          `json:"public_key" doc:"Ed25519, base64url: signs its rosters."`
	ActiveDevice  string          `json:"active_device,omitempty" doc:"The client that stands for it; absent without a device."`
	Devices       []PersonaDevice `json:"devices" nullable:"false" doc:"The active one and the spares."`
	VolumeMin     *int32          `json:"volume_min,omitempty" doc:"Least volume of the active device, 0 to 100."`
	VolumeMax     *int32          `json:"volume_max,omitempty" doc:"Greatest volume of the active device, 0 to 100."`
	OutputDelayMS *int32          `json:"output_delay_ms,omitempty" doc:"Set on the active device, where it lets the server."`
	GroupID       string          `json:"group_id,omitempty" doc:"The group that its active device plays in."`
	Seq           uint64          `json:"seq" doc:"Number of the roster: it grows with every change that the roster tells of."`
	Roster        string          `json:"roster" doc:"The signed list of its devices, for other sites."`
	Imported      bool            `json:"imported" doc:"It belongs to another site: change it there and import its roster again."`
	Retired       bool            `json:"retired"`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at"`
}

// PersonaDevice is one device of a persona.
type PersonaDevice struct {
	ClientID string     `json:"client_id" doc:"A client_id; a server_id in the server's persona."`
	Active   bool       `json:"active"`
	AddedAt  *time.Time `json:"added_at,omitempty"`
}

// Personas is what GET /api/v1/personas returns.
type Personas struct {
	Personas []*Persona `json:"personas" nullable:"false"`
}

// RosterExport is what POST /api/v1/personas/{persona_id}/export returns.
type RosterExport struct {
	PersonaID string `json:"persona_id"`
	Seq       uint64 `json:"seq"`
	Roster    string `json:"roster" doc:"The signed roster; with recipients, sealed to them (age, armoured)."`
	Sealed    bool   `json:"sealed"`
}

// RosterImport is what POST /api/v1/personas/import returns.
type RosterImport struct {
	Persona  *Persona `json:"persona" doc:"As the roster says it."`
	Changes  []string `json:"changes" nullable:"false" doc:"What differs from what is known here, in words; empty when nothing does."`
	Accepted bool     `json:"accepted" doc:"Whether it is in force. If not, send it again with accept: true."`
}
