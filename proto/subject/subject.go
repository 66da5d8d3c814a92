// Package subject holds every NATS subject, stream and bucket name of Tutti.
//
// Nothing else in the repository spells a subject. Client ids are base64url
// (A-Z a-z 0-9 - _), group and rendition ids are of the same alphabet, so both
// are valid subject tokens as they are.
package subject

// Prefix is the first two tokens of every subject; v1 is the bus contract's version.
const Prefix = "tutti.v1."

// Streams (JetStream).
const (
	// StreamTape is the memory stream of encoded audio.
	StreamTape = "TAPE"
	// StreamEvents keeps events for a day, for consumers that were away.
	StreamEvents = "EVENTS"
)

// Buckets (JetStream KV) with their one writer.
const (
	BucketPresence  = "presence"  // session-gateway: ClientPresence by client_id
	BucketTrust     = "trust"     // pairing: TrustRecord by client_id
	BucketGroups    = "groups"    // stream: Group by group_id
	BucketSightings = "sightings" // discovery: Sighting by key
	BucketSettings  = "settings"  // pairing: ServerSettings, key SettingsKey
	BucketInstances = "instances" // everyone: Instance by "<service>.<instance_id>"
	BucketTokens    = "tokens"    // management: API tokens (hashed)
	BucketTuning    = "tuning"    // stream: ClientTuning by client_id, the operator's choices
	BucketPairings  = "pairings"  // pairing: PairingAttempt by client_id
	BucketPersonas  = "personas"  // pairing: Persona by persona_id
	BucketSeats     = "seats"     // stream: Seat by persona_id
	BucketSchedules = "schedules" // stream: Schedule by schedule_id
	BucketHolidays  = "holidays"  // stream: Holidays, key HolidaysKey
	BucketUsers     = "users"     // management: people who sign in (passwords hashed)
	BucketSessions  = "sessions"  // management: their sessions by the hash of the cookie
	BucketReplays   = "replays"   // management: answers to requests with an Idempotency-Key, sealed for their callers
)

// Clips are audio that was sent in to be announced: an object store (JetStream), whose one
// writer is management. What is in it goes by itself.
const (
	StoreClips = "clips"
	// ClipScheme begins the address of a clip; its name in the store follows.
	ClipScheme = "clip:"
)

// KeptBuckets are the buckets that a backup holds, because no service could fill them
// again: groups with their queues, which device had a persona's place, the operator's
// tuning of clients, schedules and holidays, API tokens and users (hashed), and addresses that were added by hand.
// What pairing announces (trust, settings, personas) follows from its database; presence,
// instances, sessions of users, answers and leases are of the moment.
func KeptBuckets() []string {
	return []string{BucketGroups, BucketSeats, BucketTuning, BucketSchedules, BucketHolidays, BucketTokens, BucketUsers, BucketSightings}
}

// HolidaysKey is the only key of BucketHolidays.
const HolidaysKey = "days"

// SettingsKey is the only key of BucketSettings.
const SettingsKey = "server"

// Request subjects of the discovery service.
const (
	DiscoveryAdd    = Prefix + "discovery.add"
	DiscoveryRemove = Prefix + "discovery.remove"
	DiscoveryList   = Prefix + "discovery.list"
)

// Request subjects of the pairing service.
const (
	PairingIdentity    = Prefix + "pairing.identity"
	PairingCredential  = Prefix + "pairing.credential"
	PairingAdmit       = Prefix + "pairing.admit"
	PairingApprove     = Prefix + "pairing.approve"
	PairingDeny        = Prefix + "pairing.deny"
	PairingRevoke      = Prefix + "pairing.revoke"
	PairingForget      = Prefix + "pairing.forget"
	PairingLabel       = Prefix + "pairing.label"
	PairingSettings    = Prefix + "pairing.settings"
	PairingAuditAppend = Prefix + "pairing.audit.append"
	PairingAuditList   = Prefix + "pairing.audit.list"
	PairingAuditVerify = Prefix + "pairing.audit.verify"
	PairingBlock       = Prefix + "pairing.block"
	PairingUnpair      = Prefix + "pairing.unpair"
	PairingReport      = Prefix + "pairing.session_report"
	PairingStart       = Prefix + "pairing.start"
	PairingEnrol       = Prefix + "pairing.tokens.add"
	PairingEnrolments  = Prefix + "pairing.tokens.list"
	PairingEnrolRemove = Prefix + "pairing.tokens.remove"
	PairingPersona     = Prefix + "pairing.persona"
	PairingSnapshot    = Prefix + "pairing.snapshot"
	PairingRotateKey   = Prefix + "pairing.rotate_server_key"
)

// Request subjects of the stream service.
const (
	StreamCreateGroup   = Prefix + "stream.create_group"
	StreamDeleteGroup   = Prefix + "stream.delete_group"
	StreamAddMember     = Prefix + "stream.add_member"
	StreamRemoveMember  = Prefix + "stream.remove_member"
	StreamForgetClient  = Prefix + "stream.forget_client"
	StreamCommand       = Prefix + "stream.command"
	StreamActivate      = Prefix + "stream.activate"
	StreamClientCommand = Prefix + "stream.client_command"
	StreamLibrary       = Prefix + "stream.library"
	StreamClock         = Prefix + "stream.clock"
	StreamTune          = Prefix + "stream.tune"
	StreamSchedule      = Prefix + "stream.schedule"
	StreamSearch        = Prefix + "stream.library_search"
	StreamLibraryStatus = Prefix + "stream.library_status"
	StreamArtwork       = Prefix + "stream.artwork"
	StreamLibraryArt    = Prefix + "stream.library_artwork"
)

// StreamActivateAt asks one stream instance to hold a group.
func StreamActivateAt(instanceID string) string { return StreamActivate + "." + instanceID }

// GatewayList is answered by every gateway instance.
const GatewayList = Prefix + "session-gateway.list"

// GatewayDial is heard by every gateway instance that dials: DialRequest.
const GatewayDial = Prefix + "session-gateway.dial"

// Event subjects (JetStream stream StreamEvents).
const (
	EventsAll  = Prefix + "ev.>"
	EventAudit = Prefix + "ev.audit" // AuditEvent
	// EventTrustAll matches every EventTrust subject.
	EventTrustAll = Prefix + "ev.trust.*"
	// EventRosterAll matches every EventRoster subject.
	EventRosterAll = Prefix + "ev.roster.*"
	// EventHealthFindings matches every EventHealthFinding subject.
	EventHealthFindings = Prefix + "ev.health.finding.*"
	EventHealthSummary  = Prefix + "ev.health.summary" // HealthSummary
)

// Session is the address of the one live session of a client.
func Session(clientID string) string { return Prefix + "session." + clientID }

// Snapshot is the address of the pairing instance that keeps a snapshot.
func Snapshot(id string) string { return PairingSnapshot + "." + id }

// Attempt is the address of the pairing attempt that runs with a client.
func Attempt(clientID string) string { return Prefix + "attempt." + clientID }

// AttemptKey is where a gateway asks for the pairing PSK of a client that it dials to be
// paired: CredentialRequest.
func AttemptKey(clientID string) string { return Attempt(clientID) + ".key" }

// Group is the address of a group's actor.
func Group(groupID string) string { return Prefix + "group." + groupID }

// EventTrust is where TrustChanged of one client is published.
func EventTrust(clientID string) string { return Prefix + "ev.trust." + clientID }

// EventRoster is where the signed roster of one persona is published.
func EventRoster(personaID string) string { return Prefix + "ev.roster." + personaID }

// EventHealthFinding is where HealthEvent of a kind of finding is published.
func EventHealthFinding(code string) string { return Prefix + "ev.health.finding." + code }

// TapeAll matches every tape.
const TapeAll = Prefix + "tape.>"

// Tape is the subject of one rendition of one group.
func Tape(groupID, renditionID string) string { return Prefix + "tape." + groupID + "." + renditionID }

// ClockNeighbour is where every process on a kernel with a reading of the house clock answers
// (package houseclock, which makes the kernel's token).
func ClockNeighbour(kernel string) string { return Prefix + "clock.neighbour." + kernel }

// Artwork is the address of the stream instance that has an image.
func Artwork(instanceID string) string { return StreamArtwork + "." + instanceID }

// Capture is where the audio of a source arrives, in the form of package capture.
func Capture(clientID string) string { return Prefix + "capture." + clientID }

// InstanceKey is the key of an Instance in BucketInstances.
func InstanceKey(service, instanceID string) string { return service + "." + instanceID }
