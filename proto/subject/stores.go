package subject

import "time"

// Kinds of stores.
const (
	KindBucket  = "bucket"
	KindStream  = "stream"
	KindObjects = "objects"
)

// Store is what JetStream keeps: a bucket, a stream or an object store, with who may write
// and who may read it.
type Store struct {
	Kind, Name string
	// Subjects of a stream.
	Subjects []string
	// Memory keeps it out of files.
	Memory bool
	// MaxAge is how old an entry may be; 0: for ever. LeaseAge says that it is the TTL of
	// the deployment's leases instead.
	MaxAge   time.Duration
	LeaseAge bool
	// MaxBytes bounds it; 0: no bound.
	MaxBytes int64
	// Writers are who may write, and of a bucket which keys (NATS patterns). Of a stream
	// they are who may write all of it, and so may read it; who writes single subjects of it
	// has a rule (Rules).
	Writers map[string][]string
	// Readers may read it, besides its writers. Of a stream they may read the subjects
	// that are named here, or all of it when none is.
	Readers map[string][]string
}

// Names and sizes of stores that only packages below the services know.
const (
	// BucketLeases holds the leases (package lease).
	BucketLeases = "leases"
	// BucketLives holds a key per living process (package lease). A process that dies is
	// declared dead by another, so all write all of it.
	BucketLives = "lives"
	// BucketClock holds the state of the house clock (package houseclock).
	BucketClock = "clock"
	// ClockExchange is where the house clock's leader answers (package houseclock).
	ClockExchange = Prefix + "clock.exchange"
	// ClockCopy is where every process with a reading of the clock answers.
	ClockCopy = Prefix + "clock.copy"

	instanceAge = 15 * time.Second
	sessionAge  = 30 * 24 * time.Hour
	clipAge     = time.Hour
	replayAge   = time.Hour
	clipsBytes  = 128 << 20
	eventAge    = 24 * time.Hour
	tapeAge     = 90 * time.Second
	tapeBytes   = 256 << 20
)

var (
	all     = []string{">"}
	nothing []string
)

// bucket is a bucket with one writer, which writes all keys.
func bucket(name, writer string, readers ...string) Store {
	s := Store{Kind: KindBucket, Name: name, Writers: map[string][]string{writer: all}, Readers: map[string][]string{}}
	for _, r := range readers {
		s.Readers[r] = nothing
	}
	return s
}

// Stores are all that JetStream keeps for Tutti. The one who makes them is pairing, which
// is trusted with everything anyway: who may make a stream may make one that hears every
// subject.
func Stores() []Store {
	instances := bucket(BucketInstances, Management)
	instances.MaxAge, instances.Writers = instanceAge, map[string][]string{}
	for _, s := range Services() {
		instances.Writers[s] = []string{InstanceKey(s, "*")}
	}
	sessions := bucket(BucketSessions, Management)
	sessions.MaxAge = sessionAge
	replays := bucket(BucketReplays, Management)
	replays.MaxAge = replayAge
	leases := bucket(BucketLeases, Stream)
	leases.Writers = map[string][]string{
		Stream: {"group.*", "stream.*", "director", "scheduler", "clock"}, Gateway: {"dial.>", "gateway.*"}, Pairing: {"attempt.*"},
	}
	leases.Readers = map[string][]string{Management: nothing, Discovery: nothing}
	lives := bucket(BucketLives, Stream)
	lives.LeaseAge, lives.Writers = true, map[string][]string{}
	for _, s := range Services() {
		lives.Writers[s] = all
	}
	presence := bucket(BucketPresence, Gateway, Stream, Management, Pairing)
	presence.Writers[Management] = all // forgetting a device removes its record
	return []Store{
		presence,
		bucket(BucketTrust, Pairing, Stream, Gateway, Management),
		bucket(BucketSettings, Pairing, Gateway, Discovery, Management, Stream),
		bucket(BucketPairings, Pairing, Management),
		bucket(BucketPersonas, Pairing, Stream, Management),
		bucket(BucketGroups, Stream, Management),
		bucket(BucketSeats, Stream, Management),
		bucket(BucketTuning, Stream, Gateway, Management),
		bucket(BucketSchedules, Stream, Management),
		bucket(BucketHolidays, Stream, Management),
		bucket(BucketClock, Stream, Gateway, Management),
		bucket(BucketSightings, Discovery, Gateway, Management),
		bucket(BucketTokens, Management), bucket(BucketUsers, Management),
		sessions, replays, instances, leases, lives,
		{Kind: KindStream, Name: StreamEvents, Subjects: []string{EventsAll}, MaxAge: eventAge,
			Writers: map[string][]string{Pairing: nothing}, Readers: map[string][]string{Gateway: {EventTrustAll}}},
		{Kind: KindStream, Name: StreamTape, Subjects: []string{TapeAll}, Memory: true, MaxAge: tapeAge, MaxBytes: tapeBytes,
			Writers: map[string][]string{Stream: nothing}, Readers: map[string][]string{Gateway: nothing}},
		{Kind: KindObjects, Name: StoreClips, MaxAge: clipAge, MaxBytes: clipsBytes,
			Writers: map[string][]string{Management: nothing}, Readers: map[string][]string{Stream: nothing}},
	}
}
