package bus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tutti-audio/tutti/platform/fault"
)

// jsAPI begins the subjects of JetStream's API, and of the acknowledgements in messages
// that a stream delivers.
const jsAPI = "$JS."

// access are the options for credentials and TLS. Files are read here once, so that a wrong
// path is an error at start and not a reason to try again for ever; NATS reads them anew at
// each connection, so they can be replaced while the process runs.
func (c *Conn) access() ([]nats.Option, error) {
	var opts []nats.Option
	if c.cfg.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.cfg.InboxPrefix))
	}
	if f := c.cfg.CredentialsFile; f != "" {
		o, err := credentials(f)
		if err != nil {
			return nil, err
		}
		opts = append(opts, o)
	}
	if f := c.cfg.CAFile; f != "" {
		pem, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("bus: read the authority of --nats-tls-ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("bus: %s (--nats-tls-ca) holds no certificate: it must be a PEM file with the authority that signed the NATS server's", f)
		}
		opts = append(opts, nats.RootCAs(f))
	}
	if (c.cfg.CertFile == "") != (c.cfg.KeyFile == "") {
		return nil, errors.New("bus: --nats-tls-cert and --nats-tls-key belong together: name both, or neither")
	}
	if c.cfg.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.cfg.CertFile, c.cfg.KeyFile); err != nil {
			return nil, fmt.Errorf("bus: certificate of --nats-tls-cert and --nats-tls-key: %w", err)
		}
		opts = append(opts, nats.ClientCert(c.cfg.CertFile, c.cfg.KeyFile))
	}
	return opts, nil
}

// credentials reads a file with an nkey seed (which `tutti nats-config` makes), or with a
// JWT and its seed (which "nsc" makes).
func credentials(file string) (nats.Option, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("bus: read the credentials of --nats-creds: %w", err)
	}
	defer clear(b)
	if bytes.Contains(b, []byte("BEGIN NATS USER JWT")) {
		return nats.UserCredentials(file), nil
	}
	o, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		return nil, fmt.Errorf("bus: %s (--nats-creds) holds neither an nkey seed of a user (SU…) nor a JWT: make one with `tutti nats-config`", file)
	}
	return o, nil
}

// explain says what to do about a reason why the server cannot be reached.
func explain(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: name the authority that signed the NATS server's certificate with --nats-tls-ca", err)
	case errors.As(err, &host):
		return fmt.Errorf("%w: use an address in --nats that the certificate names, or make one that names this address", err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: renew the NATS server's certificate, or set this machine's clock right", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("%w: the NATS server has no TLS; configure it there, or leave --nats-tls-ca out", err)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%w: the NATS server does not know this user or password; give --nats-creds a file that `tutti nats-config` made for this server", err)
	case strings.Contains(err.Error(), "certificate required"), strings.Contains(err.Error(), "bad certificate"),
		strings.Contains(err.Error(), "closed by remote after TLS handshake"),
		strings.Contains(err.Error(), "unknown certificate authority"):
		return fmt.Errorf("%w: the NATS server wants a certificate of ours that it trusts; name it with --nats-tls-cert and --nats-tls-key", err)
	}
	return err
}

// denials tells whoever waits for an answer that the server refused the question: NATS
// says that aside, and the answer never comes.
type denials struct {
	mu      sync.Mutex
	waiting map[*denial]struct{}
}

// denial is one wait for answers from subjects, or from what is below them.
type denial struct {
	subjects []string
	cancel   context.CancelCauseFunc
}

func (d *denial) concerns(subject string) bool {
	return slices.ContainsFunc(d.subjects, func(s string) bool {
		return subject == s || strings.HasPrefix(subject, s+".")
	})
}

// allowed returns a context that ends, with a reason, when the server refuses a message to
// one of subjects or below. done must be called.
func (c *Conn) allowed(ctx context.Context, subjects ...string) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &denial{subjects, cancel}
	c.denied.mu.Lock()
	defer c.denied.mu.Unlock()
	if c.denied.waiting == nil {
		c.denied.waiting = map[*denial]struct{}{}
	}
	c.denied.waiting[d] = struct{}{}
	return ctx, func() {
		c.denied.mu.Lock()
		defer c.denied.mu.Unlock()
		delete(c.denied.waiting, d)
		cancel(nil)
	}
}

// tryAPI runs f, a question to a subject of JetStream's API, and returns at once when the
// server refuses it.
func (c *Conn) tryAPI(ctx context.Context, subject string, f func(ctx context.Context) error) error {
	ctx, done := c.allowed(ctx, jsAPI+"API."+subject)
	defer done()
	return whyEnded(ctx, f(ctx))
}

// refusal is how NATS words it.
var refusal = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

// refused hears of a refusal and tells those who wait.
func (c *Conn) refused(err error) {
	m := refusal.FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	c.denied.mu.Lock()
	defer c.denied.mu.Unlock()
	for d := range c.denied.waiting {
		if d.concerns(m[2]) {
			d.cancel(forbidden(m[2]))
		}
	}
}

func forbidden(subject string) error {
	return fault.New(fault.Forbidden, "bus: this process's NATS user may not use %s: are the credentials of --nats-creds those of this service, "+
		"and is the server's configuration of this version (`tutti nats-config`)?", subject)
}

// whyEnded is err, or the refusal that ended ctx.
func whyEnded(ctx context.Context, err error) error {
	var f *fault.Error
	if err != nil && errors.As(context.Cause(ctx), &f) && f.Code == fault.Forbidden {
		return f
	}
	return err
}

// awaitStream waits until somebody else has made a stream that this user may not make, and that
// was not there a moment ago.
func (c *Conn) awaitStream(ctx context.Context, name string, why error) error {
	for {
		_, err := c.js.Stream(ctx, name)
		// An end of ctx in the middle of a look tells no more than one between two.
		if ended := err != nil && ctx.Err() != nil; !ended && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		if pause(ctx, settleEvery) != nil {
			return fault.Wrap(fault.Unavailable, why, "bus: stream %s does not exist yet, and this service may not make it: the pairing service makes it when it starts", name)
		}
	}
}

// BucketTTL is the TTL of a bucket, and whether there is one of that name.
func (c *Conn) BucketTTL(ctx context.Context, name string) (ttl time.Duration, there bool, err error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	cfg, err := c.streamConfig(ctx, "KV_"+name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, false, nil
	}
	return cfg.MaxAge, err == nil, c.toFault(ctx, err, "look for bucket %s", name)
}

// fromRequester tells whether a request came from somebody who waits for its answer at an
// inbox. Whoever may read a stream could have the server deliver a stored message to any
// subject, in the server's name and past the permissions; such a message has no reply
// subject, or one of JetStream's own.
func fromRequester(reply string) bool { return reply != "" && !strings.HasPrefix(reply, jsAPI) }
