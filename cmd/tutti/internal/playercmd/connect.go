package playercmd

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/grandcat/zeroconf"

	"github.com/tutti-audio/tutti/sendspin/client"
)

const service = "_sendspin._tcp"

// serverURL completes what --connect was given: host, host:port or a ws:// address.
func serverURL(s string) (string, error) {
	if !strings.Contains(s, "://") {
		s = "ws://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "ws" {
		return "", usage("--connect %q: want ws://HOST:PORT/sendspin", s)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), serverPort)
	}
	if n, err := strconv.Atoi(u.Port()); err != nil || n < 1 || n > 65535 {
		return "", usage("--connect %q: port %s is not between 1 and 65535", s, u.Port())
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	return u.String(), nil
}

// connect runs the client in the direction of the plan until ctx ends, or for good.
func connect(ctx context.Context, p plan, c *client.Client, tell func(string, fields)) error {
	if p.url != "" {
		tell("connecting", fields{"url": p.url})
		return c.Dial(ctx, p.url)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", p.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: choose another --listen address", p.Listen, err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	tell("listening", fields{"address": ln.Addr().String(), "path": path, "mdns": !p.NoMDNS})
	if !p.NoMDNS {
		stop, err := advertise(p.Name, c.ID(), port)
		if err != nil {
			_ = ln.Close()
			return err
		}
		defer stop()
	}
	return c.Serve(ctx, ln)
}

// advertise announces the player (specification: Client discovery). The instance name
// carries a part of the key, because two players may have one name.
func advertise(name, id string, port int) (stop func(), err error) {
	instance := slug(name) + "-" + strings.ToLower(slug(id[:8]))
	s, err := zeroconf.Register(instance, service, "local.", port, []string{"path=" + path, "name=" + name}, nil)
	if err != nil {
		return nil, fmt.Errorf("advertise by mDNS: %w: use --no-mdns and add the player by its address", err)
	}
	return s.Shutdown, nil
}
