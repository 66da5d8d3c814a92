package ctlcmd

import "time"

// These are the parts of the API's objects that the commands show.

type apiServer struct {
	ServerID  string `json:"server_id"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Mode      string `json:"mode"`
	Instances []struct {
		Service    string `json:"service"`
		InstanceID string `json:"instance_id"`
	} `json:"instances"`
	HouseClock struct {
		Leader        string `json:"leader"`
		UncertaintyUS int64  `json:"uncertainty_us"`
	} `json:"house_clock"`
}

type apiClient struct {
	ClientID    string     `json:"client_id"`
	Name        string     `json:"name"`
	Label       string     `json:"label"`
	Fingerprint string     `json:"fingerprint"`
	Connected   bool       `json:"connected"`
	Address     string     `json:"address"`
	Trust       string     `json:"trust"`
	Waiting     string     `json:"waiting"`
	Warning     string     `json:"warning"`
	Stage       string     `json:"stage"`
	GroupID     string     `json:"group_id"`
	ActiveRoles []string   `json:"active_roles"`
	LastSeenAt  time.Time  `json:"last_seen_at"`
	FirstSeenAt time.Time  `json:"first_seen_at"`
	Player      *apiPlayer `json:"player"`
	Tuning      *apiTuning `json:"tuning"`
	Limits      *apiLimits `json:"limits"`
	Ignored     []string   `json:"ignored"`

	DeviceInfo *struct {
		ProductName     string `json:"product_name"`
		Manufacturer    string `json:"manufacturer"`
		SoftwareVersion string `json:"software_version"`
		MACAddress      string `json:"mac_address"`
	} `json:"device_info"`
	SupportedRoles          []string        `json:"supported_roles"`
	PairMethods             []apiPairMethod `json:"pair_methods"`
	UnpairedAccess          bool            `json:"unpaired_access"`
	Suite                   string          `json:"suite"`
	LastError               string          `json:"last_error"`
	SourceAllowed           bool            `json:"source_allowed"`
	ControllerAllowed       bool            `json:"controller_allowed"`
	Blocked                 bool            `json:"blocked"`
	Unpairing               bool            `json:"unpairing"`
	ApprovalEndsAt          *time.Time      `json:"approval_ends_at"`
	ApprovalUntilDisconnect bool            `json:"approval_until_disconnect"`
	PairedAt                *time.Time      `json:"paired_at"`
	PersonaID               string          `json:"persona_id"`
	LastGoodbye             string          `json:"last_goodbye"`
}

type apiPairMethod struct {
	Method      string   `json:"method"`
	Formats     []string `json:"formats"`
	OutChannels []string `json:"out_channels"`
	Locations   []string `json:"locations"`
}

type apiPlayer struct {
	Volume       *int       `json:"volume"`
	Muted        *bool      `json:"muted"`
	StreamFormat *apiFormat `json:"stream_format"`
	BufferedMS   int64      `json:"buffered_ms"`
	ChunksLate   uint64     `json:"chunks_late"`
}

type apiFormat struct {
	Codec      string `json:"codec"`
	SampleRate int    `json:"sample_rate"`
	Channels   int    `json:"channels"`
	BitDepth   int    `json:"bit_depth"`
}

type apiClients struct {
	Clients []apiClient `json:"clients"`
}

type apiInbox struct {
	Waiting []apiWaiting `json:"waiting"`
}

type apiWaiting struct {
	ClientID     string          `json:"client_id"`
	Name         string          `json:"name"`
	Address      string          `json:"address"`
	Fingerprint  string          `json:"fingerprint"`
	FirstSeenAt  time.Time       `json:"first_seen_at"`
	ExpiresAt    *time.Time      `json:"expires_at"`
	Reason       string          `json:"reason"`
	Warning      string          `json:"warning"`
	Detail       string          `json:"detail"`
	Manufacturer string          `json:"manufacturer"`
	ProductName  string          `json:"product_name"`
	PairMethods  []apiPairMethod `json:"pair_methods"`
}

type apiGroup struct {
	GroupID       string         `json:"group_id"`
	Name          string         `json:"name"`
	Solo          bool           `json:"solo"`
	Members       []string       `json:"members"`
	PlaybackState string         `json:"playback_state"`
	Paused        bool           `json:"paused"`
	Volume        int            `json:"volume"`
	Muted         bool           `json:"muted"`
	Repeat        string         `json:"repeat"`
	Shuffle       bool           `json:"shuffle"`
	NowPlaying    *apiNowPlaying `json:"now_playing"`
	QueueLength   int            `json:"queue_length"`
	Source        string         `json:"source"`
	LastError     string         `json:"last_error"`
	Live          bool           `json:"live"`
	CrossfadeMS   int64          `json:"crossfade_ms"`
	Normalization string         `json:"normalization"`
	VolumeRange   struct {
		Min int `json:"min"`
		Max int `json:"max"`
	} `json:"volume_range"`
	LeadClient  string `json:"lead_client"`
	SendAheadMS int64  `json:"send_ahead_ms"`
	// Announcement is what is announced now, or was last.
	Announcement *apiAnnouncement `json:"announcement"`
	// VolumeCap is that of quiet hours; nil: none.
	VolumeCap *int              `json:"volume_cap"`
	Schedule  *apiGroupSchedule `json:"schedule"`
	Status    []apiMember       `json:"member_status"`
}

type apiMember struct {
	ClientID   string     `json:"client_id"`
	State      string     `json:"state"`
	Format     *apiFormat `json:"format"`
	BufferedMS int64      `json:"buffered_ms"`
	ChunksLate uint64     `json:"chunks_late"`
	LeadMS     int64      `json:"lead_ms"`
	Detail     string     `json:"detail"`
}

type apiNowPlaying struct {
	Title      string `json:"title"`
	Artist     string `json:"artist"`
	DurationMS int64  `json:"duration_ms"`
	PositionMS int64  `json:"position_ms"`
}

type apiGroups struct {
	Groups []apiGroup `json:"groups"`
}

type apiQueue struct {
	Items []apiItem `json:"items"`
	Index int       `json:"index"`
}

type apiItem struct {
	ID         string     `json:"id"`
	URI        string     `json:"uri"`
	Title      string     `json:"title"`
	Artist     string     `json:"artist"`
	DurationMS int64      `json:"duration_ms"`
	PlayedAt   *time.Time `json:"played_at"`
	PlayedMS   int64      `json:"played_ms"`
}

// display is what a person calls a title.
func (it apiItem) display() string {
	if it.Title != "" {
		return clip(it.Title)
	}
	return clip(it.URI)
}

type apiLibrary struct {
	Path    string            `json:"path"`
	Found   int               `json:"found"`
	Entries []apiLibraryEntry `json:"entries"`
}

type apiLibraryEntry struct {
	Name       string `json:"name"`
	Path       string `json:"path"`
	Folder     bool   `json:"folder"`
	Playlist   bool   `json:"playlist"`
	Title      string `json:"title"`
	Artist     string `json:"artist"`
	DurationMS int64  `json:"duration_ms"`
	SampleRate int    `json:"sample_rate"`
	BitDepth   int    `json:"bit_depth"`
	Error      string `json:"error"`
}

type apiLibraryStatus struct {
	State      string    `json:"state"`
	FilesFound int64     `json:"files_found"`
	FilesRead  int64     `json:"files_read"`
	Tracks     int64     `json:"tracks"`
	Playlists  int64     `json:"playlists"`
	Unreadable int64     `json:"unreadable"`
	ScannedAt  time.Time `json:"scanned_at"`
	Error      string    `json:"error"`
	Decoders   []string  `json:"decoders"`
}

type apiSightings struct {
	Sightings []struct {
		Key      string    `json:"key"`
		URL      string    `json:"url"`
		Name     string    `json:"name"`
		Via      string    `json:"via"`
		Present  bool      `json:"present"`
		LastSeen time.Time `json:"last_seen_at"`
	} `json:"sightings"`
}

type apiAudit struct {
	Events []apiAuditEvent `json:"events"`
}

type apiAuditEvent struct {
	ID       uint64    `json:"id"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor"`
	Kind     string    `json:"kind"`
	ClientID string    `json:"client_id"`
	Detail   string    `json:"detail"`
}

type apiTokens struct {
	Tokens []apiToken `json:"tokens"`
}

type apiToken struct {
	TokenID   string    `json:"token_id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	Token     string    `json:"token"`

	Zones      []apiZone  `json:"zones"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

type apiZone struct {
	GroupID string `json:"group_id"`
	Role    string `json:"role"`
}

type apiUsers struct {
	Users []apiUser `json:"users"`
}

type apiUser struct {
	UserID       string     `json:"user_id"`
	Name         string     `json:"name"`
	Role         string     `json:"role"`
	Zones        []apiZone  `json:"zones"`
	Disabled     bool       `json:"disabled"`
	HasPassword  bool       `json:"has_password"`
	CreatedAt    time.Time  `json:"created_at"`
	LastSignInAt *time.Time `json:"last_sign_in_at"`
	Account      *struct {
		Issuer string `json:"issuer"`
	} `json:"account"`
}

// display is what a person calls the device.
func (c apiClient) display() string {
	switch {
	case c.Label != "":
		return clip(c.Label)
	case c.Name != "":
		return clip(c.Name)
	}
	return short(c.ClientID)
}

// alone reports whether the group is one device's own, without guests.
func (g apiGroup) alone() bool { return g.Solo && len(g.Members) < 2 }

// display is what a person calls the group. A group of one device has its name.
func (g apiGroup) display() string { return clip(g.Name) }

// longestName is how many characters of a name are shown: a device may state one
// of many kilobytes, and must not push everybody else off the screen.
const longestName = 48

func clip(name string) string {
	if r := []rune(name); len(r) > longestName {
		return string(r[:longestName-1]) + "…"
	}
	return name
}

// short is the start of a key, enough to name it in a home.
func short(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}
