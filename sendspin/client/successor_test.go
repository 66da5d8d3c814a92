package client

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var errOlder = errors.New("an older roster")

// verify is a toy verification: "seq id id", a higher seq is newer.
func verify(known, roster, _ string) ([]string, error) {
	f := strings.Fields(roster)
	if len(f) == 0 || f[0] == "forged" {
		return nil, errors.New("the signature is wrong")
	}
	if known != "" && f[0] <= strings.Fields(known)[0] {
		return nil, errOlder
	}
	return f[1:], nil
}

func roster(t *testing.T, text string) *wire.ServerState {
	t.Helper()
	object, err := json.Marshal(map[string]string{"roster": text})
	if err != nil {
		t.Fatal(err)
	}
	return &wire.ServerState{App: wire.AppObjects{"_tutti_persona": object}}
}

// TestSuccessorTakesTheRecordOver: a server that the stored roster names uses its
// predecessor's record, and it is its own from then on, also after a restart.
func TestSuccessorTakesTheRecordOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id.json")
	store, err := OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	old, next, stranger := newKey(t), newKey(t), newKey(t)
	psk := newPSK(t)
	if err := store.PutRecord(old.Public().ID(), psk); err != nil {
		t.Fatal(err)
	}
	lt := channel.Credential{PSK: psk, Category: noise.LongTerm}
	accept := func(c *Config) {
		c.Store, c.UnpairedAccess, c.AcceptSuccessors, c.VerifyRoster = store, false, true, verify
	}
	r := newRig(t, sendspintest.ServerOptions{Identity: old, Credential: lt}, accept)
	if roles := r.srv.Greet().SupportedRoles; roles[len(roles)-1] != RoleSuccessors {
		t.Errorf("roles %v", roles)
	}
	r.srv.Activate(playbackOnly, wire.RolePlayerV1, RoleSuccessors)
	first := "1 " + old.Public().ID()
	r.srv.Send(roster(t, first))
	if e := waitFor[RosterStored](t, r.recorder); len(e.ServerIDs) != 1 {
		t.Errorf("%+v", e)
	}
	r.srv.Send(roster(t, "3 "+old.Public().ID()+" "+next.Public().ID()))
	if e := waitFor[RosterStored](t, r.recorder); len(e.ServerIDs) != 2 {
		t.Errorf("%+v", e)
	}
	for name, text := range map[string]string{
		"older": "2 " + old.Public().ID(), "forged": "forged", "empty": "", "not this server": "4 " + next.Public().ID(), "no id": "4 x " + old.Public().ID(),
	} {
		r.srv.Send(roster(t, text))
		if e := waitFor[RosterRefused](t, r.recorder); e.Err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
	r.wantNoViolations(t)
	r.cancel()
	_ = r.end(t)

	if store, err = OpenStore(path, nil); err != nil {
		t.Fatal(err)
	}
	// Nobody else may use the record, and with the feature off the successor neither.
	for _, cfg := range []struct {
		key    *noise.PrivateKey
		change func(*Config)
	}{{stranger, accept}, {next, func(c *Config) { c.Store = store }}} {
		rec := newRecorder()
		c := rec.config("strict")
		cfg.change(&c)
		cl, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		a, b := sendspintest.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- cl.Run(t.Context(), a) }()
		_, err = channel.OpenServer(t.Context(), b, channel.ServerConfig{
			Identity: cfg.key, Credential: func(context.Context, string) (channel.Credential, error) { return lt, nil },
		})
		if err == nil {
			t.Error("the handshake of a server with another's record went through")
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "another server") {
			t.Errorf("%v", err)
		}
	}
	if rec := store.Records(); len(rec) != 1 || rec[0].ServerID != old.Public().ID() {
		t.Errorf("%+v", rec)
	}

	r = newRig(t, sendspintest.ServerOptions{Identity: next, Credential: lt}, accept)
	r.srv.Greet()
	if e := waitFor[Succeeded](t, r.recorder); e.Predecessor != old.Public().ID() || e.ServerID != next.Public().ID() {
		t.Errorf("%+v", e)
	}
	r.srv.Activate(playbackOnly, wire.RolePlayerV1)
	sendspintest.Expect[*wire.ClientState](r.srv)
	if store, err = OpenStore(path, nil); err != nil {
		t.Fatal(err)
	}
	if rec := store.Records(); len(rec) != 1 || rec[0].ServerID != next.Public().ID() || rec[0].PSKID != psk.ID() || len(rec[0].Successors) != 2 {
		t.Errorf("%+v", rec)
	}
}

// A handshake that is not completed moves no record: the claimed server_id alone is
// nothing.
func TestClaimAloneMovesNoRecord(t *testing.T) {
	store, err := NewStore(nil)
	if err != nil {
		t.Fatal(err)
	}
	old, next := newKey(t), newKey(t)
	psk := newPSK(t)
	if err := errors.Join(store.PutRecord(old.Public().ID(), psk), store.setRoster(old.Public().ID(), "1", []string{old.Public().ID(), next.Public().ID()})); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := store.candidate(next.Public().ID(), psk.ID(), noise.LongTerm, true); !ok || err != nil {
		t.Errorf("no candidate: %v %v", ok, err)
	}
	if rec := store.Records(); rec[0].ServerID != old.Public().ID() {
		t.Errorf("%+v", rec)
	}
	if _, _, err := store.Candidate(next.Public().ID(), psk.ID(), noise.LongTerm); err == nil {
		t.Error("without the feature the successor is a stranger")
	}
	if from, err := store.rebind(newID(t), psk.ID()); from != "" || err != nil {
		t.Errorf("rebound from %q, %v", from, err)
	}
}

// On an unpaired session the role means nothing.
func TestRosterOfAnUnpairedServer(t *testing.T) {
	r := newRig(t, sendspintest.ServerOptions{}, func(c *Config) { c.AcceptSuccessors, c.VerifyRoster = true, verify })
	r.srv.Greet()
	r.srv.Activate(playbackOnly, RoleSuccessors)
	r.srv.Send(roster(t, "1 x"))
	r.settle2(t, func(seen []Event) {
		for _, e := range seen {
			switch e.(type) {
			case RosterStored, RosterRefused:
				t.Errorf("%T", e)
			}
		}
	})
	if v := r.violations(); len(v) != 1 || v[0].Rule != RoleSuccessors {
		t.Errorf("%v", v)
	}
}
