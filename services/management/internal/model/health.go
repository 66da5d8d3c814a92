package model

import "time"

// Qualities of ClientHealth.Quality.
const (
	QualityGood    = "good"
	QualityFair    = "fair"
	QualityPoor    = "poor"
	QualityIdle    = "idle"
	QualityOffline = "offline"
)

// Severities of Finding.Severity.
const (
	SeverityInfo    = "info"
	SeverityWarning = "warning"
	SeveritySerious = "serious"
)

// Health is how the deployment does.
type Health struct {
	At       time.Time       `json:"at" doc:"When it was judged: every 10 s."`
	Services []ServiceHealth `json:"services" nullable:"false" doc:"Service processes that are alive, and those that were lost within the last hour."`
	Clients  []ClientHealth  `json:"clients" nullable:"false"`
	Findings []Finding       `json:"findings" nullable:"false" doc:"What is wrong or worth knowing, the most serious first; empty when all is well."`
}

// ServiceHealth is one process of one service.
type ServiceHealth struct {
	Service     string     `json:"service" example:"session-gateway"`
	InstanceID  string     `json:"instance_id"`
	Version     string     `json:"version"`
	Host        string     `json:"host"`
	StartedAt   time.Time  `json:"started_at"`
	Up          bool       `json:"up" doc:"Whether its heartbeats come. What is not up is listed for an hour after its last one, unless a younger one of its host took its place."`
	LostAt      *time.Time `json:"lost_at,omitempty" doc:"Since when it is not up."`
	Ready       bool       `json:"ready" doc:"Whether it is up and can do its work, as its /readyz says; true of a process of an older version, which does not say."`
	NotReady    string     `json:"not_ready,omitempty" doc:"Why a process that is up is not ready." example:"the database does not answer"`
	CPU         float64    `json:"cpu" doc:"Cores that its process kept busy, on average since the heartbeat before."`
	CPUs        uint32     `json:"cpus" doc:"Cores that its process may use; 0 when not known."`
	MemoryBytes uint64     `json:"memory_bytes" doc:"Resident memory of its process; 0 when not known."`
	Goroutines  uint32     `json:"goroutines"`
	Sessions    *uint32    `json:"sessions,omitempty" doc:"Live sessions of a gateway."`
	Groups      *uint32    `json:"groups,omitempty" doc:"Groups that an instance of stream holds."`
	Capacity    uint32     `json:"capacity,omitempty" doc:"How many sessions or groups it takes at most; absent when it does not say."`
	Draining    bool       `json:"draining,omitempty" doc:"It is on its way out and hands over what it has."`
	Shared      bool       `json:"shared" doc:"Several services live in this process: cpu, memory_bytes and goroutines are of all of them together."`
}

// ClientHealth is how one client does.
type ClientHealth struct {
	ClientID     string     `json:"client_id"`
	Quality      string     `json:"quality" enum:"good,fair,poor,idle,offline" doc:"good, fair and poor: of a client that is sent audio. idle: connected, and sent none."`
	RTTUS        *int64     `json:"rtt_us,omitempty" doc:"Round trip of its link, µs; absent when not known."`
	BufferedMS   *int64     `json:"buffered_ms,omitempty" doc:"Audio that was sent and has not played yet; absent while it is sent none."`
	MinLeadMS    *int64     `json:"min_lead_ms,omitempty" doc:"Smallest lead of the last 10 s; absent while it is sent none."`
	Late10M      int        `json:"late_10m" doc:"Chunks that came too late in the last 10 minutes."`
	Reconnects1H int        `json:"reconnects_1h" doc:"How often it came back in the last hour."`
	Since        *time.Time `json:"since,omitempty" doc:"Since when the quality is this one; absent when that was before this service started."`
}

// Finding is one thing that is wrong or worth knowing, in words.
type Finding struct {
	FindingID string         `json:"finding_id" doc:"The same as long as the finding lasts." example:"weak_link:lobby"`
	Severity  string         `json:"severity" enum:"info,warning,serious"`
	Code      string         `json:"code" doc:"What it is; params fill the translation of its words." example:"weak_link_hours"`
	Params    map[string]any `json:"params" doc:"Values of the words, by name: texts and numbers."`
	Clients   []string       `json:"clients" nullable:"false" doc:"Whom it is about."`
	Groups    []string       `json:"groups" nullable:"false"`
	Since     time.Time      `json:"since"`
	Text      string         `json:"text" doc:"The finding in English, with what to do." example:"Terrace left and Terrace right lose buffer between 19:00 and 21:00: weak Wi-Fi. Use a compressed format or a larger buffer."`
	Remedy    *Remedy        `json:"remedy,omitempty" doc:"What mends it; absent when nothing but a person at the device can."`
}

// Remedy is what mends a finding: a request of this API, or only words.
type Remedy struct {
	Code   string         `json:"code" example:"use_flac"`
	Text   string         `json:"text" doc:"What it does, in English."`
	Role   string         `json:"role,omitempty" enum:"operator,admin" doc:"Who may send the request."`
	Method string         `json:"method,omitempty" enum:"POST,PATCH,PUT,DELETE" doc:"Absent when it takes a person: text says what to do."`
	Path   string         `json:"path,omitempty" example:"/api/v1/clients/gH2L…/"`
	Body   map[string]any `json:"body,omitempty"`
	Also   []Call         `json:"also,omitempty" nullable:"false" doc:"Further requests, where it takes more than one."`
}

// Call is one request of this API.
type Call struct {
	Method string         `json:"method" enum:"POST,PATCH,PUT,DELETE"`
	Path   string         `json:"path"`
	Body   map[string]any `json:"body,omitempty"`
}

// HealthHistory is what was sampled of one client. The arrays are columns of equal
// length; null is what is not known.
type HealthHistory struct {
	ClientID   string     `json:"client_id"`
	StepMS     int64      `json:"step_ms" doc:"10000 for 1h, else 300000."`
	From       time.Time  `json:"from" doc:"Begin of the first step."`
	RTTUS      []*int64   `json:"rtt_us" nullable:"false" doc:"µs; the mean of a step."`
	BufferedMS []*int64   `json:"buffered_ms" nullable:"false" doc:"The least of a step; null while it was sent no audio."`
	MinLeadMS  []*int64   `json:"min_lead_ms" nullable:"false" doc:"The least of a step."`
	Late       []*int64   `json:"late" nullable:"false" doc:"Chunks that came too late, in a step."`
	Reconnects []*int64   `json:"reconnects" nullable:"false" doc:"How often it came back, in a step."`
	Connected  []*float64 `json:"connected" nullable:"false" doc:"The part of a step in which it was connected, 0 to 1."`
}
