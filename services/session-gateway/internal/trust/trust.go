// Package trust is what the gateway asks of the pairing service: the deployment's
// identity, the credential for a handshake, and what a client may do. Secrets
// come sealed to a key that lives as long as this process.
//
// While pairing does not answer, credentials and admissions that were served
// lately are used from memory, within a bound; they are forgotten when trust
// changes and when the bus is lost for longer than the bound. A client that is not
// in that memory is refused, never taken for an unpaired one.
package trust

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// Bus is what this package needs of the bus.
type Bus interface {
	Request(ctx context.Context, subject string, req, resp proto.Message) error
	// RequestAny asks another instance of pairing when one is slow to answer.
	RequestAny(ctx context.Context, subject string, req, resp proto.Message) error
	Healthy() error
}

// askTimeout bounds one question to pairing where Options do not.
const askTimeout = 3 * time.Second

// maxMemory bounds how many clients are remembered; what one costs is about 200 B.
const maxMemory = 50_000

// Options of a Client.
type Options struct {
	Bus        Bus
	InstanceID string
	// Memory is how long an answer is used while pairing does not answer.
	Memory time.Duration
	// Timeout is how long pairing may take to answer a question; 0: 3 s.
	Timeout time.Duration
	Clock   clockwork.Clock
	Log     *slog.Logger
}

// Client asks pairing. It is safe for concurrent use.
type Client struct {
	o         Options
	pub, priv *[32]byte

	mu       sync.Mutex
	keys     map[string]*noise.PrivateKey // the server's identities by server_id
	current  string                       // server_id of the present one
	expected string                       // what the settings say it is; "" before they say
	memory   map[string]*memory
	lostAt   time.Time // when the bus was found lost; zero while it is healthy
	forgotAt uint64    // counts Forget and ForgetAll: answers asked before are not remembered
}

type memory struct {
	at    time.Time
	cred  noise.Credential
	as    string // server_id to present; "" the current one
	admit *tuttiv1.AdmitResponse
	asked *tuttiv1.AdmitRequest
}

// New draws the key that secrets are sealed to.
func New(o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = askTimeout
	}
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("trust: draw the instance key: %w", err)
	}
	return &Client{o: o, pub: pub, priv: priv, keys: map[string]*noise.PrivateKey{}, memory: map[string]*memory{}}, nil
}

// RecipientKey is the public key that secrets for this instance are sealed to.
func (c *Client) RecipientKey() []byte { return c.pub[:] }

// OpenPSK opens a PSK that is sealed to RecipientKey. The caller wipes it.
func (c *Client) OpenPSK(sealed []byte) (noise.PSK, error) {
	raw, err := c.unseal(sealed)
	if err != nil {
		return noise.PSK{}, fmt.Errorf("trust: PSK: %w", err)
	}
	defer clear(raw)
	psk, err := noise.NewPSK(raw)
	if err != nil {
		return noise.PSK{}, fmt.Errorf("trust: PSK: %w", err)
	}
	return psk, nil
}

func (c *Client) unseal(sealed []byte) ([]byte, error) {
	raw, ok := box.OpenAnonymous(nil, sealed, c.pub, c.priv)
	if !ok {
		return nil, errors.New("the secret is not sealed to this instance")
	}
	return raw, nil
}

// Credential returns what to reference in Noise message 1 for a client, and the
// identity to present to it.
func (c *Client) Credential(ctx context.Context, clientID string) (noise.Credential, *noise.PrivateKey, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	mark := c.mark()
	var resp tuttiv1.CredentialResponse
	req := &tuttiv1.CredentialRequest{ClientId: clientID, RecipientKey: c.pub[:], InstanceId: c.o.InstanceID}
	if err := c.o.Bus.RequestAny(ctx, subject.PairingCredential, req, &resp); err != nil {
		if m := c.recall(clientID, err); m != nil && !m.cred.PSK.IsZero() {
			key, err := c.key(ctx, m.as)
			return m.cred, key, err
		}
		return noise.Credential{}, nil, fmt.Errorf("trust: ask for the credential: %w", err)
	}
	cred, err := c.credential(&resp)
	if err != nil {
		return noise.Credential{}, nil, err
	}
	key, err := c.key(ctx, resp.GetServerId())
	if err != nil {
		return noise.Credential{}, nil, err
	}
	c.remember(clientID, mark, func(m *memory) { m.cred, m.as, m.admit = cred, resp.GetServerId(), nil })
	return cred, key, nil
}

func (c *Client) credential(resp *tuttiv1.CredentialResponse) (noise.Credential, error) {
	cat := noise.Category(resp.GetCategory())
	if cat == noise.Sentinel {
		return noise.Credential{PSK: noise.SentinelPSK(), Category: cat}, nil
	}
	if !cat.Valid() {
		return noise.Credential{}, errors.New("trust: pairing answered with an unknown credential category")
	}
	psk, err := c.OpenPSK(resp.GetSealedPsk())
	if err != nil {
		return noise.Credential{}, err
	}
	return noise.Credential{PSK: psk, Category: cat}, nil
}

// Admit asks what a session may activate. With req.Refresh the session runs
// already: then an answer from memory would say nothing new, and none is given.
func (c *Client) Admit(ctx context.Context, req *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	mark := c.mark()
	var resp tuttiv1.AdmitResponse
	if err := c.o.Bus.RequestAny(ctx, subject.PairingAdmit, req, &resp); err != nil {
		if m := c.recall(req.GetClientId(), err); m != nil && !req.GetRefresh() && m.answers(req, c.o.Clock.Now()) {
			return m.admit, nil
		}
		return nil, fmt.Errorf("trust: ask for admission: %w", err)
	}
	c.remember(req.GetClientId(), mark, func(m *memory) { m.admit, m.asked = &resp, req })
	return &resp, nil
}

// answers reports whether the remembered admission was given for the same
// standing of the client, and still holds: an approval may end at a time, or with
// the session that it was given to.
func (m *memory) answers(req *tuttiv1.AdmitRequest, now time.Time) bool {
	return m.admit != nil && !m.admit.GetReportEnd() &&
		(m.admit.GetEndsAt() == nil || now.Before(m.admit.GetEndsAt().AsTime())) &&
		m.asked.GetPskCategory() == req.GetPskCategory() &&
		m.asked.GetCredentialMismatch() == req.GetCredentialMismatch() &&
		m.asked.GetUnpairedAccess() == req.GetUnpairedAccess()
}

func (c *Client) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgotAt
}

// remember keeps an answer, unless trust changed while it was on its way.
func (c *Client) remember(clientID string, mark uint64, set func(*memory)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mark != c.forgotAt {
		return
	}
	m := c.memory[clientID]
	if m == nil {
		if len(c.memory) >= maxMemory {
			c.expire()
		}
		if len(c.memory) >= maxMemory {
			return
		}
		m = &memory{}
		c.memory[clientID] = m
	}
	m.at = c.o.Clock.Now()
	set(m)
}

// recall returns what is remembered of a client when err says that pairing does
// not answer now; nil otherwise. Its copy is the caller's.
func (c *Client) recall(clientID string, err error) *memory {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Timeout:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.memory[clientID]
	if m == nil || c.o.Clock.Since(m.at) > c.o.Memory {
		return nil
	}
	out := *m
	return &out
}

// expire drops what is older than the bound; the caller holds mu.
func (c *Client) expire() {
	for id, m := range c.memory {
		if c.o.Clock.Since(m.at) > c.o.Memory {
			delete(c.memory, id)
		}
	}
}

// Forget drops what is remembered of one client: its trust changed.
func (c *Client) Forget(clientID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.memory, clientID)
	c.forgotAt++
}

// Watch looks after the memory once a second until ctx ends.
func (c *Client) Watch(ctx context.Context) {
	tick := c.o.Clock.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan():
			c.look()
		}
	}
}

func (c *Client) look() {
	healthy := c.o.Bus.Healthy() == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Clock.Now()
	switch {
	case healthy:
		c.lostAt = time.Time{}
	case c.lostAt.IsZero():
		c.lostAt = now
	case now.Sub(c.lostAt) > c.o.Memory && len(c.memory) > 0:
		c.o.Log.Warn("bus lost for too long: credentials in memory are forgotten", obs.KeyCount, len(c.memory))
		clear(c.memory)
		c.forgotAt++
	}
	c.expire()
}

// PairingKey asks an attempt to pair for the pairing PSK that the client is to be dialled
// with. It is not remembered.
func (c *Client) PairingKey(ctx context.Context, clientID string) (noise.Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var resp tuttiv1.CredentialResponse
	req := &tuttiv1.CredentialRequest{ClientId: clientID, RecipientKey: c.pub[:], InstanceId: c.o.InstanceID}
	if err := c.o.Bus.Request(ctx, subject.AttemptKey(clientID), req, &resp); err != nil {
		return noise.Credential{}, fmt.Errorf("trust: ask the attempt for its key: %w", err)
	}
	if noise.Category(resp.GetCategory()) != noise.Pairing {
		return noise.Credential{}, fmt.Errorf("trust: the attempt answered with a key of category %q", resp.GetCategory())
	}
	return c.credential(&resp)
}
