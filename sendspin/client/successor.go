package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// RoleSuccessors is the application-specific role by which a paired server tells who
// may take over from it ([Config.AcceptSuccessors]). Its object in server/state is
//
//	"_tutti_persona": {"roster": "<text>"}
//
// The role has no client/state object, no stream and no commands.
const RoleSuccessors = "_tutti_persona@v1"

// familySuccessors is RoleSuccessors without its version.
const familySuccessors = "_tutti_persona"

const (
	// maxRoster bounds the text: ten entries need a thousand bytes.
	maxRoster = 8 << 10
	// maxSuccessors bounds what it may name.
	maxSuccessors = 64
)

// A RosterVerifier checks the roster that a paired server sent, and returns the
// server_ids that it names. known is the roster that is stored for this server, "" for
// none: it pins the key that rosters are signed with, and the verifier refuses an older
// one than that. It is called by one goroutine at a time and must return soon.
type RosterVerifier func(known, roster, serverID string) (serverIDs []string, err error)

// handshakes looks PSKs up for the handshakes of one connection, and remembers which
// one matched last. It is used by the connection's reader; the core reads it while the
// reader waits.
type handshakes struct {
	store      *Store
	successors bool
	pskID      string
}

func (h *handshakes) candidate(serverID, pskID string, cat noise.Category) (noise.PSK, bool, error) {
	psk, ok, err := h.store.candidate(serverID, pskID, cat, h.successors)
	h.pskID = ""
	if ok && err == nil {
		h.pskID = pskID
	}
	return psk, ok, err
}

// rebind makes serverID the owner of the record with this PSK, if that record's roster
// names it. It returns whose the record was, "" when it does not change hands.
func (s *Store) rebind(serverID, pskID string) (from string, err error) {
	err = s.change(func(d *stored) error {
		i := slices.IndexFunc(d.Records, func(r storedRecord) bool {
			return r.ServerID != serverID && s.psks[r.ServerID].ID() == pskID && slices.Contains(r.Successors, serverID)
		})
		if i < 0 {
			return errUnchanged
		}
		r := d.Records[i]
		from, r.ServerID = r.ServerID, serverID
		d.Records = slices.DeleteFunc(slices.Delete(d.Records, i, i+1), func(r storedRecord) bool { return r.ServerID == serverID })
		d.Records = append(d.Records, r)
		if d.LastPlayback == from {
			d.LastPlayback = serverID
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return "", nil
	}
	return from, err
}

// errUnchanged makes change leave everything as it is.
var errUnchanged = errors.New("client: nothing to change")

// owner is the server_id of the record with this PSK, "" without one.
func (s *Store) owner(pskID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, psk := range s.psks {
		if psk.ID() == pskID {
			return id
		}
	}
	return ""
}

// roster is the stored roster of a server, "" without one.
func (s *Store) roster(serverID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.data.Records {
		if r.ServerID == serverID {
			return r.Roster
		}
	}
	return ""
}

// setRoster stores a verified roster with the server's record.
func (s *Store) setRoster(serverID, roster string, successors []string) error {
	return s.change(func(d *stored) error {
		i := slices.IndexFunc(d.Records, func(r storedRecord) bool { return r.ServerID == serverID })
		if i < 0 {
			return errors.New("client: there is no pairing record for the roster")
		}
		d.Records[i].Roster, d.Records[i].Successors = roster, slices.Clone(successors)
		return nil
	})
}

// proven is called when a message under the session's keys has shown that the server
// holds the PSK: a record that was its predecessor's is its own from now on.
func (s *session) proven() {
	if !paired(s.matched) {
		return
	}
	k := s.core
	if k.cfg.AcceptSuccessors {
		from, err := k.cfg.Store.rebind(s.serverID, s.pskID)
		switch {
		case err != nil:
			k.cfg.Log.Error("pairing record is not passed on to its server's successor", "server_id", s.serverID, "error", err)
		case from != "":
			k.cfg.Log.Info("server was succeeded", "server_id", s.serverID, "predecessor", from)
			k.emit(Succeeded{ServerID: s.serverID, Predecessor: from})
		}
	}
	k.cfg.Store.used(s.serverID)
}

// takeRoster deals with the object of RoleSuccessors.
func (s *session) takeRoster(object json.RawMessage) {
	k := s.core
	if !paired(s.matched) || wire.ActiveFamily(s.roles, familySuccessors) == "" {
		return
	}
	var body struct {
		Roster string `json:"roster"`
	}
	err := json.Unmarshal(object, &body)
	if err == nil {
		err = k.storeRoster(s.serverID, body.Roster)
	}
	if err != nil {
		k.cfg.Log.Warn("roster refused", "server_id", s.serverID, "error", err)
		k.emit(RosterRefused{ServerID: s.serverID, Err: err})
	}
}

// storeRoster verifies a roster and stores it.
func (k *core) storeRoster(serverID, roster string) error {
	known := k.cfg.Store.roster(serverID)
	switch {
	case roster == known:
		return nil
	case roster == "" || len(roster) > maxRoster:
		return fmt.Errorf("client: a roster of %d bytes, want 1 to %d", len(roster), maxRoster)
	}
	ids, err := k.cfg.VerifyRoster(known, roster, serverID)
	if err != nil {
		return err
	}
	if len(ids) > maxSuccessors || !slices.Contains(ids, serverID) {
		return fmt.Errorf("client: the roster names %d servers, want up to %d and this one among them", len(ids), maxSuccessors)
	}
	for _, id := range ids {
		if _, err := wire.ParseID(id); err != nil {
			return fmt.Errorf("client: a server in the roster: %w", err)
		}
	}
	if err := k.cfg.Store.setRoster(serverID, roster, ids); err != nil {
		return err
	}
	k.emit(RosterStored{ServerID: serverID, ServerIDs: slices.Clone(ids)})
	return nil
}
