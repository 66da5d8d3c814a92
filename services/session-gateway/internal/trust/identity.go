package trust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// The deployment has one identity, and after a rotation former ones beside it, which
// are presented to devices that know no other yet.

// Identity asks for the deployment's identity until pairing answers or ctx ends.
func (c *Client) Identity(ctx context.Context) (*noise.PrivateKey, error) {
	const retryMin, retryMax = 100 * time.Millisecond, 2 * time.Second
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		key, err := c.identity(ctx)
		if err == nil {
			return key, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.o.Log.Info("waiting for the server's identity from pairing", obs.KeyErr, err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.o.Clock.After(wait):
		}
	}
}

// Current is the identity in use; nil before Identity has returned.
func (c *Client) Current() *noise.PrivateKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[c.current]
}

// Expect tells which identity the deployment's settings name. Where it is not the one
// in use, pairing is asked before the next handshake that needs it.
func (c *Client) Expect(serverID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected = serverID
}

// key returns the identity with this server_id, "" for the current one. One that this
// instance has not heard of is asked for: the server may have rotated its key.
func (c *Client) key(ctx context.Context, serverID string) (*noise.PrivateKey, error) {
	if key := c.held(serverID); key != nil {
		return key, nil
	}
	if _, err := c.identity(ctx); err != nil {
		return nil, err
	}
	if key := c.held(serverID); key != nil {
		return key, nil
	}
	return nil, fault.New(fault.Unavailable, "trust: pairing names the server identity %q and does not hand it out; ask again", serverID)
}

func (c *Client) held(serverID string) *noise.PrivateKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case serverID == "" && c.expected != "":
		serverID = c.expected
	case serverID == "":
		serverID = c.current
	}
	return c.keys[serverID]
}

// identity asks once, and keeps what it gets.
func (c *Client) identity(ctx context.Context) (*noise.PrivateKey, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var resp tuttiv1.IdentityResponse
	req := &tuttiv1.IdentityRequest{RecipientKey: c.pub[:], InstanceId: c.o.InstanceID}
	if err := c.o.Bus.RequestAny(ctx, subject.PairingIdentity, req, &resp); err != nil {
		return nil, fmt.Errorf("trust: ask for the identity: %w", err)
	}
	current, err := c.openIdentity(resp.GetServerId(), resp.GetSealedPrivateKey())
	if err != nil {
		return nil, err
	}
	keys := map[string]*noise.PrivateKey{resp.GetServerId(): current}
	for _, f := range resp.GetFormer() {
		key, err := c.openIdentity(f.GetServerId(), f.GetSealedPrivateKey())
		if err != nil {
			return nil, err
		}
		keys[f.GetServerId()] = key
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys, c.current = keys, resp.GetServerId()
	return current, nil
}

func (c *Client) openIdentity(serverID string, sealed []byte) (*noise.PrivateKey, error) {
	raw, err := c.unseal(sealed)
	if err != nil {
		return nil, fmt.Errorf("trust: identity: %w", err)
	}
	defer clear(raw)
	key, err := noise.NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("trust: identity: %w", err)
	}
	if key.Public().ID() != serverID {
		return nil, errors.New("trust: identity: the key is not the one of the server_id beside it")
	}
	return key, nil
}
