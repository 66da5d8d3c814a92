package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// lookAround is how long start-up waits for devices before it prints what was
// found; later ones appear in the log and in `tutti clients`.
const lookAround = 3 * time.Second

// banner prints, once the services serve, what a person needs: addresses, how to
// sign in, the identity's fingerprint, where the token is, what was found.
func banner(ctx context.Context, p *process, b *built, out io.Writer) error {
	if err := waitFor(ctx, func() bool { return b.management.Addr() != "" && p.ready() == nil }); err != nil {
		return err
	}
	settings, err := readSettings(ctx, p.bus)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n  Tutti %s — %s\n\n", p.cfg.Version, settings.GetName())
	line := func(what, value string) { fmt.Fprintf(out, "  %-13s %s\n", what, value) }
	scheme := "http"
	if b.tls != nil {
		scheme = "https"
	}
	line("console", strings.Join(urls(scheme, b.management.Addr(), "/"), "  "))
	if code := b.management.SetUpCode(); code != "" {
		line("", "set-up code "+code+" makes the first administrator there")
	}
	line("API", strings.Join(urls(scheme, b.management.Addr(), ""), "  "))
	line("", "documentation at /docs")
	if b.tls != nil {
		line("certificate", certificateText(b.tls))
	}
	line("devices", strings.Join(urls("ws", b.gateway.Addr(), "/sendspin"), "  "))
	line("identity", fingerprint(settings.GetServerId()))
	line("admin token", tokenPlace(b))
	line("data", p.cfg.DataDir)
	line("music", musicText(p.cfg))
	line("policy", policyText(settings.GetPairingPolicy()))
	fmt.Fprintln(out)
	if p.cfg.Demo {
		return nil // the demo tells of its own rooms
	}
	return found(ctx, p, out)
}

func musicText(cfg Config) string {
	switch {
	case cfg.Music != "":
		return cfg.Music
	case cfg.Demo:
		return "made up by Tutti (--music DIR plays yours)"
	default:
		return "no folder (--music DIR); http addresses and tone:440 play"
	}
}

func tokenPlace(b *built) string {
	if path := b.management.TokenPath(); path != "" {
		return path
	}
	return "as configured"
}

func policyText(policy string) string {
	if policy == "optional" {
		return "optional: a device that is new here plays at once (trust on first use)"
	}
	return "required: a new device waits in `tutti inbox` until you pair or approve it"
}

// fingerprint is the speakable form of the server's key.
func fingerprint(serverID string) string {
	pub, err := wire.ParseID(serverID)
	if err != nil {
		return serverID
	}
	return noise.PublicKey(pub).Fingerprint() + "  (" + serverID + ")"
}

// found lists the devices seen so far.
func found(ctx context.Context, p *process, out io.Writer) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(lookAround):
	}
	bucket, err := bus.OpenBucket[tuttiv1.Sighting](ctx, p.bus, subject.BucketSightings, bus.BucketOptions{})
	if err != nil {
		return nil // a picture at start is not worth a failure
	}
	keys, err := bucket.Keys(ctx)
	if err != nil {
		return nil
	}
	var lines []string
	for _, k := range keys {
		if s, _, err := bucket.Get(ctx, k); err == nil && s.GetPresent() {
			lines = append(lines, fmt.Sprintf("  found         %s  %s  (%s)", s.GetName(), s.GetUrl(), s.GetVia()))
		}
	}
	slices.Sort(lines)
	if len(lines) == 0 && p.cfg.MDNS {
		lines = append(lines, "  found         no device yet; they appear by themselves (`tutti clients --watch`), `tutti doctor` tells why one does not")
	}
	if len(lines) > 0 {
		fmt.Fprintln(out, strings.Join(lines, "\n"))
		fmt.Fprintln(out)
	}
	return nil
}

func readSettings(ctx context.Context, c *bus.Conn) (*tuttiv1.ServerSettings, error) {
	bucket, err := bus.OpenBucket[tuttiv1.ServerSettings](ctx, c, subject.BucketSettings, bus.BucketOptions{})
	if err != nil {
		return nil, err
	}
	var s *tuttiv1.ServerSettings
	err = waitFor(ctx, func() bool {
		s, _, err = bucket.Get(ctx, subject.SettingsKey)
		return err == nil
	})
	return s, err
}

// waitFor polls cond until it holds or ctx ends.
func waitFor(ctx context.Context, cond func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// urls spells where a listener can be reached: its own address, or each of
// this machine's when it listens on all of them.
func urls(scheme, addr, path string) []string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return []string{addr}
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{scheme + "://" + net.JoinHostPort(host, port) + path}
	}
	out := []string{scheme + "://localhost:" + port + path}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return out
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			out = append(out, scheme+"://"+net.JoinHostPort(n.IP.String(), port)+path)
		}
	}
	return out
}
