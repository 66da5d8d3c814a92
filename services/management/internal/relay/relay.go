// Package relay carries a browser's Sendspin connection from the operator's port to a
// gateway, so that the console's page needs one address: the same origin, behind the same
// TLS. What it carries is encrypted between browser and gateway (Noise); the relay sees
// ciphertext, and vouches for nobody: the browser's device is admitted like any other.
package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

const (
	// DefaultMax bounds the connections that are relayed at a time: each is a speaker
	// that somebody opened in a browser.
	DefaultMax = 64
	// recheckEvery is how long a connection outlives the session that opened it.
	recheckEvery = 30 * time.Second
	// dialTimeout is for each address of a gateway; an address that does not answer is
	// passed over.
	dialTimeout = 1500 * time.Millisecond
)

// Config of a [Relay]. All but Max are required.
type Config struct {
	// Gateways are those that listen now.
	Gateways func() []readmodel.Gateway
	// BootID is this kernel's: a gateway with the same one is tried on the loopback first.
	BootID string
	// Authenticate says whether a request comes from somebody who may see any zone.
	Authenticate func(*http.Request) error
	// Refuse writes an error as an answer.
	Refuse func(http.ResponseWriter, error)
	// Streams ends when all connections must end.
	Streams context.Context
	Clock   clockwork.Clock
	Log     *slog.Logger
	// Max bounds the connections; 0 is DefaultMax.
	Max int
}

// Relay is an http.Handler for GET /sendspin.
type Relay struct {
	cfg   Config
	slots chan struct{}
	live  sync.WaitGroup
}

// New returns a relay without connections.
func New(cfg Config) *Relay {
	if cfg.Max <= 0 {
		cfg.Max = DefaultMax
	}
	return &Relay{cfg: cfg, slots: make(chan struct{}, cfg.Max)}
}

// Wait returns when no connection is relayed any more. Streams must have ended.
func (r *Relay) Wait() { r.live.Wait() }

// ServeHTTP relays one connection until either side ends it, its session is no longer
// signed in, or Streams ends.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.live.Add(1)
	defer r.live.Done()
	if err := r.admit(req); err != nil {
		r.cfg.Refuse(w, err)
		return
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		r.cfg.Refuse(w, fault.New(fault.Unavailable,
			"%d browsers are speakers already, and more are not relayed; stop one, or use devices that connect by themselves", cap(r.slots)))
		return
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(r.cfg.Streams, cancel)()
	conn, path, err := r.dial(ctx)
	if err != nil {
		r.cfg.Refuse(w, err)
		return
	}
	defer conn.Close()
	var recheck sync.WaitGroup
	recheck.Go(func() { r.recheck(ctx, cancel, req) })
	r.carry(w, req.WithContext(ctx), conn, path)
	cancel()
	recheck.Wait()
}

// admit lets through what a page of this server opens for somebody who is signed in. A
// cookie travels with a request of any page; the Origin says which page that was.
func (r *Relay) admit(req *http.Request) error {
	if !headerHas(req.Header, "Connection", "upgrade") || !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") {
		return fault.New(fault.Invalid, "this is a WebSocket: the console's page \"This browser\" opens it")
	}
	origin, err := url.Parse(req.Header.Get("Origin"))
	if err != nil || origin.Host == "" || !strings.EqualFold(origin.Host, req.Host) || origin.Scheme != "http" && origin.Scheme != "https" {
		return fault.New(fault.Forbidden, "only pages of this server may use this; devices connect to the Sendspin port")
	}
	return r.cfg.Authenticate(req)
}

// headerHas reports whether a comma-separated header has a token.
func headerHas(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// recheck ends the connection when its session does.
func (r *Relay) recheck(ctx context.Context, end context.CancelFunc, req *http.Request) {
	tick := r.cfg.Clock.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan():
		}
		err := r.cfg.Authenticate(req.WithContext(ctx))
		if code := fault.CodeOf(err); code == fault.Unauthorized || code == fault.Forbidden {
			end()
			return
		}
	}
}

// dial connects to the first gateway that answers.
func (r *Relay) dial(ctx context.Context) (net.Conn, string, error) {
	gateways := r.cfg.Gateways()
	var failed []error
	for _, g := range gateways {
		for _, host := range r.hosts(g) {
			d := net.Dialer{Timeout: dialTimeout}
			conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(g.Port))))
			if err == nil {
				return conn, g.Path, nil
			}
			failed = append(failed, err)
		}
	}
	err := fault.New(fault.Unavailable, "no gateway can be reached for this browser; is the session-gateway service running, and may this host reach its port?")
	if len(failed) > 0 {
		r.cfg.Log.WarnContext(ctx, "no gateway for a browser", "gateways", len(gateways), obs.KeyErr, errors.Join(failed...))
	}
	return nil, "", err
}

// hosts are where a gateway may be, the best first.
func (r *Relay) hosts(g readmodel.Gateway) []string {
	var out []string
	if g.BootID != "" && g.BootID == r.cfg.BootID {
		out = append(out, "127.0.0.1", "::1")
	}
	return append(out, g.Addresses...)
}

// carry passes the request on over conn, and bytes both ways after the upgrade.
func (r *Relay) carry(w http.ResponseWriter, req *http.Request, conn net.Conn, path string) {
	used := false
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if used {
				return nil, errors.New("relay: one connection is for one request")
			}
			used = true
			return conn, nil
		},
	}
	defer transport.CloseIdleConnections()
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL = &url.URL{Scheme: "http", Host: conn.RemoteAddr().String(), Path: path}
			p.Out.Host = p.Out.URL.Host
			// Who is signed in is not the gateway's to know.
			for _, h := range []string{"Cookie", "Authorization", "Origin", "X-Csrf-Token", "Referer"} {
				p.Out.Header.Del(h)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			r.cfg.Log.DebugContext(req.Context(), "relay ended", obs.KeyErr, err)
			if req.Context().Err() == nil {
				r.cfg.Refuse(w, fault.Wrap(fault.Unavailable, err, "the gateway did not take the connection; try again in a moment"))
			}
		},
		ErrorLog: slog.NewLogLogger(r.cfg.Log.Handler(), slog.LevelDebug),
	}
	// A connection lives as long as its speaker: the server's deadlines are for requests.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
	proxy.ServeHTTP(w, req)
}
