package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tutti-audio/tutti/platform/fault"
)

// Limits of a connection.
const (
	// RequestTimeout is the deadline of a request whose context has none.
	RequestTimeout = 5 * time.Second
	// maxRequestTimeout bounds what a requester can ask a handler's context to be.
	maxRequestTimeout = 5 * time.Minute
	// asyncInFlight bounds the unacknowledged PublishRaw messages: at 100 ms
	// chunks it is some seconds of a few tapes, and under 16 MiB.
	asyncInFlight = 512
	// pingInterval and maxPings find a dead peer within about 6 s.
	pingInterval = 2 * time.Second
	maxPings     = 2
	// reconnectMin and reconnectMax bound the wait between two attempts.
	reconnectMin = 50 * time.Millisecond
	reconnectMax = 2 * time.Second
)

// Config says which bus to connect to: URL, or Embedded.
type Config struct {
	// URL is one or more nats:// addresses, separated by commas. Passwords in it
	// never reach a log.
	URL string
	// Embedded starts a server in this process; then URL must be empty.
	Embedded *EmbeddedConfig
	// Name names the connection in the server's monitoring.
	Name string
	// CredentialsFile holds an nkey seed, or is a NATS .creds file; empty for none.
	CredentialsFile string
	// MakesNothing says that the credentials do not allow to make streams, buckets and
	// object stores: what is missing is waited for, without asking the server in vain.
	MakesNothing bool
	// InboxPrefix begins the subjects at which answers arrive; empty for NATS's own. With
	// permissions each user has one that nobody else may listen at.
	InboxPrefix string
	// CAFile is a PEM file of roots for tls:// addresses; empty for the system's.
	CAFile string
	// CertFile and KeyFile are a certificate of ours with its key, for a server that wants
	// one; empty for none.
	CertFile, KeyFile string
	// Replicas of every stream, bucket and object store in a NATS cluster, 1 to 5; 0 means
	// 1. An existing one is given more when the number has grown, and never fewer.
	Replicas int
	// Log and Registerer may be nil.
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Conn is a connection to the bus. All methods are safe for concurrent use.
type Conn struct {
	cfg    Config
	log    *slog.Logger
	m      *metrics
	nc     *nats.Conn
	js     jetstream.JetStream
	srv    *embedded // the server that this Conn owns, or nil
	target string    // address without credentials, for messages

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything that the Conn started
	closed chan struct{}  // NATS says that the connection is closed for good
	again  chan struct{}  // one slot: "the connection came back"
	st     state
	kept   kept // what must exist on the server
	hedges budget
	short  atomic.Bool // something has fewer replicas than asked for, or did not answer
	// lost counts messages of PublishRaw that were not stored since the log said so, and
	// lostSaid is when that was, ns.
	lost, lostSaid atomic.Int64
	denied         denials
	lags           func(info *jetstream.StreamInfo, node string) bool // lags, but in tests
	streams        sync.Map                                           // stream name -> jetstream.Stream
}

// Connect connects and waits until the bus can be used, for as long as ctx
// allows. It fails at once only when no wait can help: a bad address, or a server
// without JetStream.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	c := newConn(cfg)
	opts := c.options()
	more, err := c.access()
	if err != nil {
		return nil, err
	}
	opts = append(opts, more...)
	if cfg.Embedded != nil {
		if cfg.URL != "" {
			return nil, errors.New("bus: both an address and an embedded server are configured; choose one")
		}
		srv, err := startEmbedded(*cfg.Embedded, c.log)
		if err != nil {
			return nil, err
		}
		c.srv, c.target = srv, "embedded"
		opts = append(opts, nats.InProcessServer(srv.srv))
	} else {
		target, err := redact(cfg.URL)
		if err != nil {
			return nil, err
		}
		c.target = target
	}
	if err := c.open(ctx, nearFirst(cfg.URL, onThisHost), opts); err != nil {
		c.abandon()
		return nil, err
	}
	return c, nil
}

// Another opens one more connection to the same server, embedded or not. It must
// be closed before the Conn that owns an embedded server.
func (c *Conn) Another(ctx context.Context, name string) (*Conn, error) {
	cfg := c.cfg
	cfg.Name, cfg.Embedded = name, nil
	n := newConn(cfg)
	n.target = c.target
	more, err := n.access()
	if err != nil {
		return nil, err
	}
	opts := append(n.options(), more...)
	if c.srv != nil {
		opts = append(opts, nats.InProcessServer(c.srv.srv))
	}
	if err := n.open(ctx, nearFirst(cfg.URL, onThisHost), opts); err != nil {
		n.abandon()
		return nil, err
	}
	return n, nil
}

// ListenAddr is the host:port of an embedded server with a socket, or "".
func (c *Conn) ListenAddr() string {
	if c.srv == nil || c.cfg.Embedded.Listen == "" || c.srv.srv.Addr() == nil {
		return ""
	}
	return c.srv.srv.Addr().String()
}

func newConn(cfg Config) *Conn {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{cfg: cfg, log: log, m: newMetrics(cfg.Registerer),
		closed: make(chan struct{}), again: make(chan struct{}, 1), lags: lags}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.st.init()
	c.hedges.fill()
	return c
}

func (c *Conn) options() []nats.Option {
	opts := []nats.Option{
		nats.Name(c.cfg.Name),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.CustomReconnectDelay(reconnectDelay),
		// Nothing is buffered while the bus is away: a request that is sent when
		// its asker has gone is worse than one that fails.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(maxPings),
		nats.Timeout(2 * time.Second),
		nats.DontRandomize(), // the addresses are in the order of nearFirst
		nats.ConnectHandler(func(*nats.Conn) { c.cameUp(false) }),
		nats.ReconnectHandler(func(*nats.Conn) { c.cameUp(true) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.wentDown(err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.stillDown(err) }),
		nats.IgnoreAuthErrorAbort(), // a wrong password may be put right without a restart
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) { c.asyncError(s, err) }),
	}
	return opts
}

// open connects, checks JetStream and starts the keeper.
func (c *Conn) open(ctx context.Context, addr string, opts []nats.Option) error {
	nc, err := nats.Connect(addr, opts...)
	if err != nil {
		return fmt.Errorf("bus: connect to %s: %w", c.target, err)
	}
	c.nc = nc
	c.js, err = jetstream.New(nc,
		jetstream.WithPublishAsyncMaxPending(asyncInFlight),
		jetstream.WithPublishAsyncTimeout(tryTimeout),
		jetstream.WithPublishAsyncErrHandler(c.rawFailed))
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if !nc.IsConnected() {
		c.log.Warn("bus: waiting for the server", "addr", c.target, "err", nc.LastError())
	}
	if err := c.awaitLink(ctx); err != nil {
		return err
	}
	if err := c.checkJetStream(ctx); err != nil {
		return err
	}
	c.st.setReady(nil)
	c.wg.Go(c.keep)
	return nil
}

// checkJetStream waits for JetStream; a server without it is an error at once.
func (c *Conn) checkJetStream(ctx context.Context) error {
	for {
		err := c.tryAPI(ctx, "INFO", func(ctx context.Context) error { _, err := c.js.AccountInfo(ctx); return err })
		switch {
		case err == nil:
			return nil
		case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
			return fault.New(fault.Unavailable,
				"bus: the NATS server at %s has no JetStream; start it with -js", c.target)
		case fault.CodeOf(err) == fault.Forbidden:
			return err
		case ctx.Err() != nil:
			return fault.Wrap(fault.Unavailable, err, "bus: JetStream at %s does not answer", c.target)
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return fault.Wrap(fault.Unavailable, err, "bus: JetStream at %s does not answer", c.target)
		}
	}
}

// abandon undoes a failed Connect.
func (c *Conn) abandon() {
	c.cancel()
	if c.nc != nil {
		c.nc.Close()
	}
	if c.srv != nil {
		c.srv.stop(context.Background())
	}
}

// Close stops what the Conn started, sends what is waiting, closes, and stops an
// embedded server. Services should be stopped before. After ctx ended it closes
// without waiting further and says so.
func (c *Conn) Close(ctx context.Context) error {
	c.cancel()
	var errs []error
	if err := waitGroup(ctx, &c.wg); err != nil {
		errs = append(errs, fmt.Errorf("bus: close: a consumer or handler still runs: %w", err))
	}
	if c.nc.IsConnected() && !c.nc.IsClosed() {
		if err := c.nc.Drain(); err != nil {
			c.nc.Close()
		}
	} else {
		c.nc.Close()
	}
	select {
	case <-c.closed:
	case <-ctx.Done():
		c.nc.Close()
		errs = append(errs, fmt.Errorf("bus: close: %w", ctx.Err()))
	}
	if c.srv != nil {
		c.srv.stop(ctx)
	}
	return errors.Join(errs...)
}

// reconnectDelay doubles from reconnectMin to reconnectMax, with half of it random
// so that the services of a venue do not come back in one wave.
func reconnectDelay(attempts int) time.Duration {
	d := reconnectMax
	if attempts < 6 {
		d = min(reconnectMin<<max(attempts-1, 0), reconnectMax)
	}
	return d/2 + rand.N(d/2+1)
}

// redact returns the addresses without user names and passwords.
func redact(addrs string) (string, error) {
	if addrs == "" {
		return "", errors.New("bus: no address: set --nats to nats://host:4222, or use the embedded server")
	}
	out := ""
	for i, a := range splitComma(addrs) {
		u, err := url.Parse(a)
		if err != nil || u.Host == "" {
			return "", errors.New("bus: an address of --nats is not of the form nats://host:4222")
		}
		if i > 0 {
			out += ","
		}
		out += u.Scheme + "://" + u.Host
	}
	return out, nil
}

// Done is closed when Close begins.
func (c *Conn) Done() <-chan struct{} { return c.ctx.Done() }
