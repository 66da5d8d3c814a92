package pairing

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

// sealedIdentity is the identity as it stands in the database.
func (r *rig) sealedIdentity() (id desk.Identity) {
	r.t.Helper()
	s := r.backstage()
	defer s.Close()
	err := s.View(context.Background(), func(ctx context.Context, tx desk.Tx) (err error) {
		id, err = tx.Identity(ctx)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// putSealed writes the sealed identity behind the service's back.
func (r *rig) putSealed(b []byte) {
	r.t.Helper()
	literal := "x'" + hex.EncodeToString(b) + "'"
	if r.cfg.DatabaseURL != "" {
		literal = `'\x` + hex.EncodeToString(b) + "'"
	}
	r.raw("UPDATE identity SET sealed_key = " + literal)
}

// refuses starts the service and wants it to end with a message; the identity is then
// what it was.
func (r *rig) refuses(what string, want ...string) {
	r.t.Helper()
	before := r.sealedIdentity()
	err := <-r.start()
	if err == nil {
		r.t.Fatalf("%s: the service started", what)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			r.t.Errorf("%s: %q, want %q", what, err, w)
		}
	}
	var ie *desk.IdentityError
	if !errors.As(err, &ie) || r.svc.Ready() == nil {
		r.t.Errorf("%s: %T, ready: %v", what, err, r.svc.Ready())
	}
	if after := r.sealedIdentity(); after.ServerID != before.ServerID || string(after.Sealed) != string(before.Sealed) {
		r.t.Fatalf("%s: the identity was changed", what)
	}
}

// TestACorruptIdentityIsAnError: whatever was done to the sealed identity, the service
// says so and keeps its hands off.
func TestACorruptIdentityIsAnError(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		good := r.sealedIdentity()
		key, err := r.cfg.keySource().Load(false)
		if err != nil {
			t.Fatal(err)
		}
		flip := func(n int) []byte {
			b := append([]byte{}, good.Sealed...)
			b[n] ^= 1
			return b
		}
		foreign, err := noise.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		sealed := func(plain []byte) []byte {
			b, err := key.Seal(plain, desk.IdentityPlace(good.ServerID))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		for _, tc := range []struct {
			what, want string
			sealed     []byte
		}{
			{"the version changed", "damaged", flip(0)},
			{"the key id changed", "does not fit this database", flip(3)},
			{"the nonce changed", "damaged", flip(12)},
			{"the content changed", "damaged", flip(len(good.Sealed) - 20)},
			{"the tag changed", "damaged", flip(len(good.Sealed) - 1)},
			{"cut off", "damaged", good.Sealed[:len(good.Sealed)-1]},
			{"cut off to its beginning", "damaged", good.Sealed[:9]},
			{"empty", "damaged", nil},
			{"another server's key", "does not belong", sealed(foreign.Bytes())},
			{"no key at all", "damaged", sealed([]byte("short"))},
		} {
			r.putSealed(tc.sealed)
			r.refuses(tc.what, tc.want)
		}
		r.putSealed(good.Sealed)
		r.serve()
		if got := r.identity().Public().ID(); got != good.ServerID {
			t.Errorf("identity %s, want %s", got, good.ServerID)
		}
	})
}

// TestAKeyFromASecretIsDemanded: a key that is named, in a file or the environment, is
// used or missed, and never made up for by another.
func TestAKeyFromASecretIsDemanded(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		cfg.DeploymentKeyFile = filepath.Join(t.TempDir(), "secret")
		put := func(content string) {
			t.Helper()
			if err := os.WriteFile(cfg.DeploymentKeyFile, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put(strings.Repeat("4f", 32))
		r := newRig(t, cfg).serve()
		id := r.identity().Public().ID()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct{ what, content, want string }{
			{"another key", strings.Repeat("50", 32), "does not fit this database"},
			{"half a key", strings.Repeat("4f", 15), "32 bytes"},
			{"an empty file", "", "32 bytes"},
			{"zeros", strings.Repeat("00", 32), "zeros"},
		} {
			put(tc.content)
			r.refuses(tc.what, tc.want)
		}
		if err := os.Remove(cfg.DeploymentKeyFile); err != nil {
			t.Fatal(err)
		}
		r.refuses("the secret is not mounted", "read the deployment key", cfg.DeploymentKeyFile)
		if _, err := os.Stat(filepath.Join(cfg.DataDir, secret.DefaultKeyFile)); err == nil {
			t.Error("a key was made in the data directory instead")
		}
		r.cfg.DeploymentKeyFile, r.cfg.DeploymentKey = "", SecretText(strings.Repeat("50", 32))
		r.refuses("another key in the environment", "does not fit this database")
		r.cfg.DeploymentKey = SecretText(strings.Repeat("4f", 32))
		r.serve()
		if got := r.identity().Public().ID(); got != id {
			t.Errorf("identity %s, want %s", got, id)
		}
		if log := r.logs.String(); strings.Contains(log, strings.Repeat("4f", 32)) || strings.Contains(log, strings.Repeat("50", 32)) {
			t.Error("the log holds a key")
		}
	})
}

// TestAServiceGoesOnUnderANewKey: after a rotation all that was sealed opens, and what
// is sealed from then on is sealed under the new key.
func TestAServiceGoesOnUnderANewKey(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		first := newClientID()
		r.admit(knock(first, "Kitchen"))
		r.approve(first)
		psk := r.pair(first)
		id := r.identity().Public().ID()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		place := offline.Place{DatabaseURL: cfg.DatabaseURL, DataDir: cfg.DataDir}
		var rot offline.Rotation
		r.eventually("the key is changed", func() (err error) { // the tests' own connections may linger
			rot, err = offline.RotateKey(context.Background(), place, "")
			return err
		})
		if rot.Values != 3 { // the identity, the server persona's key, the record
			t.Errorf("%d values were sealed anew, want 3", rot.Values)
		}
		r.serve()
		if got := r.identity().Public().ID(); got != id {
			t.Errorf("identity %s, want %s", got, id)
		}
		box := newBoxKey(t)
		var resp pb.CredentialResponse
		r.ask(subject.PairingCredential, &pb.CredentialRequest{ClientId: first, RecipientKey: box.pub[:]}, &resp)
		if got := box.open(t, resp.GetSealedPsk()); string(got) != string(psk.Bytes()) {
			t.Error("the PSK is another one")
		}
		if kinds := r.auditKinds(); kinds[len(kinds)-1] != "deploymentkey.rotated" {
			t.Errorf("the ledger: %v", kinds)
		}
	})
}
