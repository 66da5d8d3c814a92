package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
)

// connectTimeout bounds one attempt to reach NATS or the database.
const connectTimeout = 6 * time.Second

// checkBus connects to NATS as a service does; that fails without JetStream.
func checkBus(ctx context.Context, s settings) []Result {
	const name = "bus"
	if s.NATS == "" {
		return []Result{{name, OK, "embedded in the server; nothing to reach", ""}}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	begun := time.Now()
	c, err := bus.Connect(ctx, bus.Config{URL: s.NATS, Name: "tutti doctor", CredentialsFile: s.NATSCreds, InboxPrefix: subject.InboxPrefix(natsUser(s.NATSCreds)),
		CAFile: s.NATSTLSCA, CertFile: s.NATSTLSCert, KeyFile: s.NATSTLSKey})
	if err != nil {
		return []Result{{name, Fail, hide(err.Error(), s.NATS), adviceBus(err)}}
	}
	took := time.Since(begun)
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(bye) // the look is over
	}()
	if err := c.Healthy(); err != nil {
		return []Result{{name, Fail, hide(err.Error(), s.NATS), adviceBus(err)}}
	}
	return []Result{{name, OK, fmt.Sprintf("NATS with JetStream answers at %s (%s)", redact(s.NATS), took.Round(time.Millisecond)), ""}}
}

// natsUser is whose key a file holds, by the name that "tutti nats-config" gave it: the
// permissions let each user listen at its own answers only.
func natsUser(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if slices.Contains(subject.Users(), name) {
		return name
	}
	return subject.Tools
}

func adviceBus(err error) string {
	switch {
	case strings.Contains(strings.ToLower(err.Error()), "jetstream"):
		return "start NATS with JetStream: nats-server -js -sd /var/lib/nats"
	case strings.Contains(strings.ToLower(err.Error()), "authorization"):
		return "name the key of this process with --nats-creds (tutti nats-config makes them), or put user and password into the address: nats://user:password@host:4222"
	case fault.CodeOf(err) == fault.Unavailable, fault.CodeOf(err) == fault.Timeout, errors.Is(err, context.DeadlineExceeded):
		return "is nats-server running there, and does the network let port 4222 pass?"
	}
	return "write the address as nats://host:4222"
}

// checkDatabase asks the pairing service's own check.
func checkDatabase(ctx context.Context, s settings, look func(ctx context.Context, url string) (string, error)) []Result {
	const name = "database"
	switch {
	case s.DatabaseURL == "":
		return []Result{{name, OK, "SQLite in the data directory; nothing to reach", ""}}
	case look == nil:
		return []Result{{name, Warn, "this build cannot check PostgreSQL", "use psql to look"}}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	says, err := look(ctx, s.DatabaseURL)
	if err != nil {
		return []Result{{name, Fail, hide(err.Error(), s.DatabaseURL),
			"is PostgreSQL running there, do user, password and database name fit, and may this machine connect (pg_hba.conf)?"}}
	}
	return []Result{{name, OK, fmt.Sprintf("%s at %s", says, redact(s.DatabaseURL)), ""}}
}

// redact shows an address without its password.
func redact(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, a := range parts {
		u, err := url.Parse(strings.TrimSpace(a))
		if err != nil {
			parts[i] = "the configured address"
			continue
		}
		q := u.Query()
		if q.Has("password") {
			q.Set("password", "xxxxx")
			u.RawQuery = q.Encode()
		}
		if u.User != nil {
			if _, has := u.User.Password(); !has { // nats://token@host: the name is the secret
				u.User = url.User("xxxxx")
			}
		}
		parts[i] = u.Redacted()
	}
	return strings.Join(parts, ",")
}

// hide takes the secrets of an address out of a message, on one line.
func hide(message, address string) string {
	message = strings.ReplaceAll(message, "\n", "; ")
	message = strings.ReplaceAll(message, address, redact(address))
	for _, a := range strings.Split(address, ",") {
		if u, err := url.Parse(strings.TrimSpace(a)); err == nil && u.User != nil {
			if p, ok := u.User.Password(); ok && p != "" {
				message = strings.ReplaceAll(message, p, "xxxxx")
			}
		}
	}
	return message
}
