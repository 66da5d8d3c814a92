package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// How close an address is to this machine. An operator may name any of them, because they
// may listen to what they like; but where a stranger's server leads (redirects, pieces of
// an HLS stream) may never be closer than that server is.
const (
	scopePublic  = iota + 1
	scopePrivate // networks of a house: RFC 1918, RFC 4193, RFC 6598
	scopeLoopback
)

var errTooClose = errors.New("it leads into a network that its server is not in")

// scope is how close ip is. Link-local, multicast and unspecified addresses have none:
// cloud machines answer with their credentials at one of them, and nobody plays from there.
func scope(ip netip.Addr) (int, error) {
	ip = ip.Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10")
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), !ip.IsValid():
		return 0, fmt.Errorf("%s is an address that nothing is played from", ip)
	case ip.IsLoopback():
		return scopeLoopback, nil
	case ip.IsPrivate(), shared.Contains(ip):
		return scopePrivate, nil
	}
	return scopePublic, nil
}

// guard checks every connection at the moment when its numeric address is known, so that
// no name can be resolved to another one afterwards. The first connection sets the bound
// for those that follow.
type guard struct {
	bound atomic.Int32 // 0: not set
}

// control is net.Dialer's.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	s, err := scope(ap.Addr())
	if err != nil {
		return err
	}
	if bound := g.bound.Load(); bound != 0 && int32(s) > bound {
		return fmt.Errorf("%s: %w", ap.Addr(), errTooClose)
	}
	return nil
}

// dial connects, and remembers how close the first server was.
func (g *guard) dial(ctx context.Context, d net.Dialer, network, address string) (net.Conn, error) {
	d.Control = g.control
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if ap, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		if s, err := scope(ap.Addr()); err == nil {
			g.bound.CompareAndSwap(0, int32(s))
		}
	}
	return &icyConn{Conn: c}, nil
}

const maxRedirects = 5

// redirect is http.Client's CheckRedirect.
func redirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return fmt.Errorf("a redirect to %q: only http and https are followed", r.URL.Scheme+":")
	}
	return nil
}

// icyConn turns the status line of old SHOUTcast servers, "ICY 200 OK", into one of HTTP.
type icyConn struct {
	net.Conn
	begun bool
	head  []byte // what stands before the rest
}

func (c *icyConn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if !c.begun && n > 0 {
		c.begun = true
		if n >= 4 && string(p[:4]) == "ICY " {
			c.head = append([]byte("HTTP/1.0 "), p[4:n]...)
			n = copy(p, c.head)
			c.head = c.head[n:]
		}
	}
	return n, err
}
