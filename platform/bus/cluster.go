package bus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Times of a NATS cluster.
const (
	// electionTimeout bounds an operation on a stream, bucket or object store of a
	// cluster whose context has no deadline. The nodes elect a new leader 4 to 9 s
	// after the old one died (constants of the NATS server), and until then nobody
	// answers.
	electionTimeout = 15 * time.Second
	// tryTimeout bounds one try in a cluster: a request that went to a leader which
	// is no more is never answered.
	tryTimeout = 2 * time.Second
	// growAgain is how long after a failed attempt to have more replicas the next
	// one is made.
	growAgain = 30 * time.Second
)

// Codes of JetStream's answers in a cluster.
const (
	noPeers         = jetstream.ErrorCode(10005) // JSClusterNoPeersErrF
	notAvailable    = jetstream.ErrorCode(10008) // JSClusterNotAvailErr
	notLeader       = jetstream.ErrorCode(10009) // JSClusterNotLeaderErr
	noResources     = jetstream.ErrorCode(10023) // JSInsufficientResourcesErr
	noCluster       = jetstream.ErrorCode(10074) // JSStreamReplicasNotSupportedErr
	inProcess       = jetstream.ErrorCode(10158) // JSStreamDuplicateMessageConflict
	streamOffline   = jetstream.ErrorCode(10118) // JSStreamOfflineErr
	headerMessageID = "Nats-Msg-Id"
)

// clustered tells whether the server that this Conn is connected to is a node of a
// NATS cluster.
func (c *Conn) clustered() bool { return c.nc.ConnectedClusterName() != "" }

// replicas is the number of replicas that was asked for.
func (c *Conn) replicas() int { return max(c.cfg.Replicas, 1) }

// withTimeout gives ctx the default deadline of an operation, unless it has one.
func (c *Conn) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	d := RequestTimeout
	if c.clustered() {
		d = electionTimeout
	}
	return context.WithTimeout(ctx, d)
}

// insist runs f, which must have the effect of once when it is run again, until it
// succeeds, fails for good, or ctx ends. Each try waits for ready first (awaitReady, or
// awaitLink for who makes the bus ready). Only in a cluster is there something to wait
// for: there another node becomes the leader.
func (c *Conn) insist(ctx context.Context, ready func(context.Context) error, f func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := ready(ctx)
		if err != nil {
			return err
		}
		err = c.try(ctx, f)
		if err == nil || ctx.Err() != nil || !c.clustered() && c.nc.IsConnected() || !passing(err) {
			return err
		}
		c.m.retries.Inc()
		if pause(ctx, reconnectDelay(min(attempt, 4))) != nil {
			return err
		}
	}
}

// try is one run of f.
func (c *Conn) try(ctx context.Context, f func(ctx context.Context) error) error {
	if c.clustered() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, tryTimeout)
		defer cancel()
	}
	return f(ctx)
}

// openTimeout bounds one attempt to make a consumer again.
func (c *Conn) openTimeout() time.Duration {
	if c.clustered() {
		return tryTimeout
	}
	return RequestTimeout
}

// passing tells whether err may go away by itself: a leader is being elected, a node
// has gone, an answer was lost on the way.
func passing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		// inProcess: the first of two equal writes is not decided yet.
		return slices.Contains([]jetstream.ErrorCode{notAvailable, notLeader, inProcess, streamOffline}, api.ErrorCode)
	}
	for _, e := range []error{
		nats.ErrNoResponders, jetstream.ErrNoStreamResponse, nats.ErrTimeout, context.DeadlineExceeded,
		nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// place makes the stream, or brings the one that exists to want. Replicas only grow: a
// process with a smaller number changes nothing, and shrinking is the operator's own
// decision ("nats stream edit"). The storage of an existing stream stays as it is,
// because NATS cannot change it.
//
// Who may not make it waits until another has; who may not change it takes it as it is.
func (c *Conn) place(ctx context.Context, want jetstream.StreamConfig) error {
	err := c.placeOnce(ctx, want)
	if fault.CodeOf(err) == fault.Forbidden {
		return c.awaitStream(ctx, want.Name, err)
	}
	return err
}

func (c *Conn) placeOnce(ctx context.Context, want jetstream.StreamConfig) error {
	return c.insist(ctx, c.awaitLink, func(ctx context.Context) error {
		ctx, done := c.allowed(ctx, jsAPI+"API.STREAM.INFO."+want.Name)
		defer done()
		s, err := c.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			if c.cfg.MakesNothing {
				return fault.Wrap(fault.Forbidden, err, "stream %s is made by another service", want.Name)
			}
			err = c.tryAPI(ctx, "STREAM.CREATE."+want.Name, func(ctx context.Context) error {
				_, err := c.js.CreateStream(ctx, want)
				return err
			})
			if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				return c.tooFewNodes(err, want.Name, want.Replicas)
			}
			s, err = c.js.Stream(ctx, want.Name) // someone else made it, perhaps otherwise
		}
		if err != nil {
			return whyEnded(ctx, err)
		}
		return c.bring(ctx, s.CachedInfo().Config, want)
	})
}

// bring updates a stream from have to what this package decides of want.
func (c *Conn) bring(ctx context.Context, have, want jetstream.StreamConfig) error {
	if have.Storage != want.Storage {
		c.log.Warn("bus: stream has another storage than asked for", "stream", want.Name)
	}
	next := have
	next.Subjects, next.MaxMsgsPerSubject, next.MaxBytes, next.MaxAge = want.Subjects, want.MaxMsgsPerSubject, want.MaxBytes, want.MaxAge
	next.Duplicates = want.Duplicates
	next.AllowMsgTTL, next.SubjectDeleteMarkerTTL = want.AllowMsgTTL, want.SubjectDeleteMarkerTTL
	if !sameLimits(have, next) {
		err := c.update(ctx, next)
		if fault.CodeOf(err) == fault.Forbidden {
			c.log.Warn("bus: stream differs from what this service wants, and it may not change it", "stream", want.Name, "err", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return c.grow(ctx, next)
}

func (c *Conn) update(ctx context.Context, cfg jetstream.StreamConfig) error {
	return c.tryAPI(ctx, "STREAM.UPDATE."+cfg.Name, func(ctx context.Context) error {
		_, err := c.js.UpdateStream(ctx, cfg)
		return err
	})
}

func sameLimits(a, b jetstream.StreamConfig) bool {
	return slices.Equal(a.Subjects, b.Subjects) && a.MaxMsgsPerSubject == b.MaxMsgsPerSubject && a.MaxBytes == b.MaxBytes &&
		a.MaxAge == b.MaxAge && (b.Duplicates == 0 || a.Duplicates == b.Duplicates) &&
		a.AllowMsgTTL == b.AllowMsgTTL && a.SubjectDeleteMarkerTTL == b.SubjectDeleteMarkerTTL
}

// grow gives an existing stream the replicas that were asked for. That it cannot be done
// now is no reason to stop work that the stream can do: it is said, and tried again.
func (c *Conn) grow(ctx context.Context, cfg jetstream.StreamConfig) error {
	have := cfg.Replicas
	if cfg.Replicas = max(have, c.replicas()); cfg.Replicas == have {
		return nil
	}
	err := c.update(ctx, cfg)
	if fault.CodeOf(err) == fault.Forbidden {
		return nil // who may, does
	}
	if err = c.tooFewNodes(err, cfg.Name, cfg.Replicas); err == nil {
		c.log.Info("bus: stream has more replicas", "stream", cfg.Name, "before", have, "now", cfg.Replicas)
		return nil
	}
	if fault.CodeOf(err) != fault.Unavailable {
		return err
	}
	c.short.Store(true)
	c.log.Warn("bus: stream keeps fewer replicas than asked for", "stream", cfg.Name, "has", have, "err", err)
	return nil
}

// tooFewNodes gives the refusal to place so many replicas its reason and a way out; other
// errors stay what they are.
func (c *Conn) tooFewNodes(err error, stream string, replicas int) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) || replicas < 2 {
		return err
	}
	switch api.ErrorCode {
	case noCluster:
		return fault.Wrap(fault.Unavailable, err, "bus: stream %s cannot have %d replicas: NATS at %s is a single server. "+
			"Make it a cluster of at least %d nodes (deploy/nats), or start with --nats-replicas 1", stream, replicas, c.target, replicas)
	case noPeers, noResources:
		if strings.Contains(api.Description, "insufficient storage") || strings.Contains(api.Description, "insufficient memory") {
			return err // of this size; a smaller one may do
		}
		return fault.Wrap(fault.Unavailable, err, "bus: stream %s cannot have %d replicas: fewer than %d nodes of the NATS cluster at %s "+
			"run with JetStream and have room. Start the missing nodes (\"nats server report jetstream\" shows them), "+
			"or start with --nats-replicas 1", stream, replicas, replicas, c.target)
	}
	return err
}
