package attempt

import "time"

// Limits of the waits, on the injected clock. The specification asks a server to
// bound its wait for client/pair-init, and bounds an attempt at the client (two
// minutes recommended), so the limits here are what is left when a device says
// nothing at all.
const (
	// connectLimit is from the start until the device begins or holds the attempt
	// back: ending streams and a re-handshake included.
	connectLimit = time.Minute
	// pendingLimit is how long a device may hold the attempt back: time for somebody
	// to walk to it and press its button.
	pendingLimit = 6 * time.Minute
	// codeLimit is how long an attempt may go on while codes are entered, over all
	// rounds. The device's own limit is shorter and comes with a reason.
	codeLimit = 3 * time.Minute
	// stepLimit is for every answer of the device, and of the gateway at the end.
	stepLimit = 30 * time.Second
	// storeLimit is how long the record may take to be stored.
	storeLimit = 30 * time.Second
	// storeRetry is the pause between two tries to store it.
	storeRetry = time.Second
	// goneGrace is how long the gateway may take to say why a session is gone that no
	// longer takes commands: what the device said last comes before that.
	goneGrace = 2 * time.Second
	// gatewayLimit is told to the gateway: the sum of all, after which it leaves
	// pairing by itself.
	gatewayLimit = connectLimit + pendingLimit + codeLimit + 4*stepLimit + storeLimit
)

// Bounds of requests over the bus, on the real clock: what the limits above do not
// end is ended here.
const (
	queryBound = 2 * time.Second
	beginBound = connectLimit + 5*time.Second
	sendBound  = 10 * time.Second
	endBound   = stepLimit + 5*time.Second
	storeBound = 5 * time.Second
	undoBound  = 20 * time.Second
	// publishBound is for one write of the bucket.
	publishBound = 2 * time.Second
	// releaseLimit is for giving the lease back; it ends by itself otherwise.
	releaseLimit = time.Second
	// closeJob is what a job gets when the service stops.
	closeJob = 1500 * time.Millisecond
	// endingPatience is how long a new attempt waits for one that is ending.
	endingPatience = 3 * time.Second
	endingPoll     = 50 * time.Millisecond
)

// maxEarly bounds messages that a client sends before the gateway's answer to
// PairingBegin arrived here. A device sends two without an answer (pairing_psk).
const maxEarly = 8
