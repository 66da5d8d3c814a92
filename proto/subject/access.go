package subject

// Names of who is on the bus: the five services as `tutti run` names them, the process
// that runs them all, and the command line's tools.
const (
	Pairing    = "pairing"
	Stream     = "stream"
	Gateway    = "session-gateway"
	Discovery  = "discovery"
	Management = "management"
	// Serve is `tutti serve` with --nats: all services in one process.
	Serve = "serve"
	// Tools are `tutti doctor`, `tutti restore` and "nats micro".
	Tools = "tools"
)

// Services are the five services.
func Services() []string { return []string{Pairing, Stream, Gateway, Discovery, Management} }

// Users are all who have credentials of their own on the bus.
func Users() []string { return append(Services(), Serve, Tools) }

// Rule says who may send to a subject and who may listen at it. What a rule does not
// allow, the server refuses.
type Rule struct {
	// Pattern is the subject, with NATS wildcards where ids are.
	Pattern string
	// From are the services that publish or ask, To those that listen or answer.
	From, To []string
	// Request says that To answers From.
	Request bool
}

func request(pattern, to string, from ...string) Rule {
	return Rule{Pattern: pattern, From: from, To: []string{to}, Request: true}
}

// Rules are all that is said on the bus outside of streams and buckets (Stores). A subject
// without a rule can be used by nobody who has credentials.
func Rules() []Rule {
	rules := []Rule{
		request(DiscoveryAdd, Discovery, Management),
		request(DiscoveryRemove, Discovery, Management),
		request(DiscoveryList, Discovery, Management),

		request(PairingIdentity, Pairing, Gateway),
		request(PairingCredential, Pairing, Gateway),
		request(PairingAdmit, Pairing, Gateway),
		request(PairingReport, Pairing, Gateway),
		request(PairingAuditAppend, Pairing, Management, Stream),
		request(PairingSnapshot+".*", Pairing, Management),
		request(Attempt("*"), Pairing, Gateway, Management),
		request(AttemptKey("*"), Pairing, Gateway),
		// An order to dial, for a person or a schedule that wants the device now.
		request(GatewayDial, Gateway, Pairing, Stream),

		request(Session("*"), Gateway, Stream, Pairing, Management, Gateway),
		request(GatewayList, Gateway, Management),
		{Pattern: Capture("*"), From: []string{Gateway}, To: []string{Stream}},

		request(StreamCommand, Stream, Management, Stream),
		request(StreamClientCommand, Stream, Gateway),
		request(StreamActivate, Stream, Stream),
		request(StreamActivateAt("*"), Stream, Stream),
		request(StreamClock, Stream, Gateway, Management, Stream),
		request(StreamArtwork+".*", Stream, Gateway, Management),
		request(Group("*"), Stream, Stream),

		// The house clock (package houseclock): a process elsewhere asks the leader; a
		// leader that has no reading of its own asks anybody's, and a process that has just
		// started its neighbour's.
		{Pattern: ClockExchange, From: []string{Gateway, Management, Stream}, To: []string{Stream}, Request: true},
		{Pattern: ClockCopy, From: []string{Stream}, To: []string{Stream, Gateway, Management}, Request: true},
		{Pattern: ClockNeighbour("*"), From: []string{Stream, Gateway, Management}, To: []string{Stream, Gateway, Management}, Request: true},

		// The audit trail is heard live, besides being kept in StreamEvents.
		{Pattern: EventAudit, From: []string{Pairing}, To: []string{Management}},
		{Pattern: EventTrustAll, From: []string{Pairing}},
		{Pattern: EventRosterAll, From: []string{Pairing}},
		{Pattern: EventHealthFindings, From: []string{Management}},
		{Pattern: EventHealthSummary, From: []string{Management}},
		{Pattern: TapeAll, From: []string{Stream}},
	}
	for _, s := range []string{
		PairingApprove, PairingDeny, PairingRevoke, PairingForget, PairingLabel, PairingSettings, PairingAuditList,
		PairingAuditVerify, PairingBlock, PairingUnpair, PairingStart, PairingEnrol, PairingEnrolments, PairingEnrolRemove,
		PairingPersona, PairingSnapshot, PairingRotateKey,
	} {
		rules = append(rules, request(s, Pairing, Management))
	}
	for _, s := range []string{
		StreamCreateGroup, StreamDeleteGroup, StreamAddMember, StreamRemoveMember, StreamForgetClient, StreamLibrary,
		StreamTune, StreamSchedule, StreamSearch, StreamLibraryStatus, StreamArtwork, StreamLibraryArt,
	} {
		rules = append(rules, request(s, Stream, Management))
	}
	return rules
}
