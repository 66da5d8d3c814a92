package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/pairtoken"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// MaxRecords is the number of pairing records a store holds unless it is told
// otherwise ([Store.SetMaxRecords]). A record beyond it replaces the one that was used
// least recently. MinRecords is the least that the specification allows (section
// Pairing Records).
const (
	MaxRecords = 32
	MinRecords = 5
)

// Store is what a client keeps over restarts: its identity, its pairing PSK, the
// pairing records, the last-playback server, the count of pairing rounds and the
// player's settings. It is safe for concurrent use. Every change is on disk when the method returns; a change that
// cannot be written is not made.
type Store struct {
	path string // empty: in memory only

	mu    sync.Mutex
	limit int // of records
	key   *noise.PrivateKey
	psk   noise.PSK // pairing PSK
	data  stored
	psks  map[string]noise.PSK // long-term PSKs by server_id
}

// Record is a pairing record without its secret.
type Record struct {
	ServerID string
	PSKID    string
	// Roster is the signed text that names the server's successors, and Successors
	// is what it names, the server itself included; empty without one
	// ([Config.AcceptSuccessors]).
	Roster     string
	Successors []string
}

// stored is the file. Secrets carry a prefix that says what they are, so that a
// leaked one is recognized.
type stored struct {
	Version      int            `json:"version"`
	PrivateKey   string         `json:"private_key"`
	PairingPSK   string         `json:"pairing_psk"`
	Records      []storedRecord `json:"records"` // least recently used first
	LastPlayback string         `json:"last_playback_server,omitempty"`
	Rounds       int            `json:"pairing_rounds,omitempty"`
	Player       storedPlayer   `json:"player"`
}

type storedRecord struct {
	ServerID   string   `json:"server_id"`
	PSK        string   `json:"long_term_psk"`
	Roster     string   `json:"roster,omitempty"`
	Successors []string `json:"successors,omitempty"`
}

type storedPlayer struct {
	Volume        *int  `json:"volume,omitempty"`
	Muted         *bool `json:"muted,omitempty"`
	OutputDelayMS int   `json:"output_delay_ms"`
}

const (
	storeVersion  = 1
	prefixKey     = "sendspin-private-key-v1:"
	prefixPairing = "sendspin-pairing-psk-v1:"
	prefixLong    = "sendspin-long-term-psk-v1:"
)

// OpenStore opens the identity file at path, and creates it with a new identity when
// there is none. A file that cannot be read or understood is an error, never a reason
// for a new identity: that would silently undo every pairing. Its mode is made 0600.
// rand draws new keys; nil is crypto/rand.
func OpenStore(path string, rand io.Reader) (*Store, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createStore(path, rand)
	}
	if err != nil {
		return nil, fmt.Errorf("client: identity file: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("client: identity file: %w", err)
	}
	s := &Store{path: path, limit: MaxRecords}
	if err := s.load(raw); err != nil {
		return nil, fmt.Errorf("client: identity file %s: %w; restore it from a backup, or remove it to become a new, unpaired client", path, err)
	}
	return s, nil
}

// NewStore returns a store in memory with the given identity; nil draws a new one.
func NewStore(identity *noise.PrivateKey) (*Store, error) {
	return newStore("", identity, nil)
}

func createStore(path string, rand io.Reader) (*Store, error) {
	s, err := newStore(path, nil, rand)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("client: folder of the identity file: %w", err)
	}
	return s, s.write(s.data)
}

func newStore(path string, key *noise.PrivateKey, rand io.Reader) (*Store, error) {
	if key == nil {
		var err error
		if key, err = noise.GenerateKey(rand); err != nil {
			return nil, fmt.Errorf("client: new identity: %w", err)
		}
	}
	psk, err := noise.GeneratePSK(rand)
	if err != nil {
		return nil, fmt.Errorf("client: new pairing PSK: %w", err)
	}
	return &Store{path: path, limit: MaxRecords, key: key, psk: psk, psks: map[string]noise.PSK{}, data: stored{
		Version: storeVersion, PrivateKey: seal(prefixKey, key.Bytes()), PairingPSK: seal(prefixPairing, psk.Bytes()),
		Records: []storedRecord{},
	}}, nil
}

// load reads the file's content. Errors do not repeat it.
func (s *Store) load(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&s.data); err != nil {
		return errors.New("it is damaged (not the expected JSON)")
	}
	if s.data.Version != storeVersion {
		return fmt.Errorf("it has version %d, this program reads version %d", s.data.Version, storeVersion)
	}
	key, err := unseal(prefixKey, s.data.PrivateKey)
	if err != nil {
		return fmt.Errorf("private_key: %w", err)
	}
	if s.key, err = noise.NewPrivateKey(key); err != nil {
		return fmt.Errorf("private_key: %w", err)
	}
	if s.psk, err = loadPSK(prefixPairing, s.data.PairingPSK); err != nil {
		return fmt.Errorf("pairing_psk: %w", err)
	}
	s.psks = map[string]noise.PSK{}
	for i, r := range s.data.Records {
		if _, err := wire.ParseID(r.ServerID); err != nil {
			return fmt.Errorf("records[%d].server_id: %w", i, err)
		}
		if s.psks[r.ServerID], err = loadPSK(prefixLong, r.PSK); err != nil {
			return fmt.Errorf("records[%d].long_term_psk: %w", i, err)
		}
		for _, id := range r.Successors {
			if _, err := wire.ParseID(id); err != nil {
				return fmt.Errorf("records[%d].successors: %w", i, err)
			}
		}
	}
	return nil
}

// Identity returns the client's static key.
func (s *Store) Identity() *noise.PrivateKey { return s.key }

// PairingPSK returns the client's pairing PSK.
func (s *Store) PairingPSK() noise.PSK { return s.psk }

// PairingToken returns the client's pairing token, version 0: its key and its pairing
// PSK, for the operator to give to a server (section Pairing Token). It is a secret.
func (s *Store) PairingToken() string {
	psk := s.psk.Bytes()
	defer clear(psk)
	return pairtoken.EncodePSK([32]byte(s.key.Public()), [32]byte(psk))
}

// SetMaxRecords changes how many pairing records the store holds, at least MinRecords.
// Records beyond it go when the next one is put.
func (s *Store) SetMaxRecords(n int) error {
	if n < MinRecords {
		return fmt.Errorf("client: a store holds %d pairing records at least, not %d", MinRecords, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
	return nil
}

// maxRecords is the capacity.
func (s *Store) maxRecords() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

// Records lists the pairing records, least recently used first.
func (s *Store) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Record, 0, len(s.data.Records))
	for _, r := range s.data.Records {
		out = append(out, Record{
			ServerID: r.ServerID, PSKID: s.psks[r.ServerID].ID(), Roster: r.Roster, Successors: slices.Clone(r.Successors),
		})
	}
	return out
}

// Candidate finds a PSK for a handshake, in the form that the channel wants it. The
// pairing PSK is one at all times. A long-term PSK that belongs to another server is an
// error (specification: Pre-Shared Key).
func (s *Store) Candidate(serverID, pskID string, cat noise.Category) (noise.PSK, bool, error) {
	return s.candidate(serverID, pskID, cat, false)
}

// candidate is Candidate; with successors a record's stored roster may name serverID
// as the one that took the record's server over.
func (s *Store) candidate(serverID, pskID string, cat noise.Category, successors bool) (noise.PSK, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch cat {
	case noise.Pairing:
		return s.psk, s.psk.ID() == pskID, nil
	case noise.LongTerm:
		for id, psk := range s.psks {
			if psk.ID() != pskID {
				continue
			}
			if id != serverID && !(successors && s.names(id, serverID)) {
				return noise.PSK{}, false, errors.New("client: the pairing record belongs to another server")
			}
			return psk, true, nil
		}
	}
	return noise.PSK{}, false, nil
}

// names reports whether the roster of a record names serverID.
func (s *Store) names(recordOf, serverID string) bool {
	return slices.ContainsFunc(s.data.Records, func(r storedRecord) bool {
		return r.ServerID == recordOf && slices.Contains(r.Successors, serverID)
	})
}

// PutRecord stores a pairing record and replaces one of the same server. With
// MaxRecords records, the least recently used one whose server keep does not name is
// evicted; keep names the servers of open connections.
func (s *Store) PutRecord(serverID string, psk noise.PSK, keep ...string) error {
	if _, err := wire.ParseID(serverID); err != nil {
		return fmt.Errorf("client: pairing record: %w", err)
	}
	return s.change(func(d *stored) error {
		d.Records = slices.DeleteFunc(d.Records, func(r storedRecord) bool { return r.ServerID == serverID })
		for len(d.Records) >= s.limit {
			i := slices.IndexFunc(d.Records, func(r storedRecord) bool { return !slices.Contains(keep, r.ServerID) })
			if i < 0 {
				return errors.New("client: all pairing records are in use")
			}
			d.Records = slices.Delete(d.Records, i, i+1)
		}
		d.Records = append(d.Records, storedRecord{ServerID: serverID, PSK: seal(prefixLong, psk.Bytes())})
		return nil
	})
}

// RemoveRecord removes a server's pairing record; it is no error when there is none.
func (s *Store) RemoveRecord(serverID string) error {
	return s.change(func(d *stored) error {
		d.Records = slices.DeleteFunc(d.Records, func(r storedRecord) bool { return r.ServerID == serverID })
		return nil
	})
}

// used moves a record to the end that is evicted last. It is written with the next
// change: losing it costs nothing.
func (s *Store) used(serverID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.data.Records, func(r storedRecord) bool { return r.ServerID == serverID })
	if i >= 0 {
		r := s.data.Records[i]
		s.data.Records = append(slices.Delete(s.data.Records, i, i+1), r)
	}
}

// LastPlayback returns the server_id of the last-playback server, "" when there is
// none (specification: Multiple servers).
func (s *Store) LastPlayback() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.LastPlayback
}

func (s *Store) setLastPlayback(serverID string) error {
	if s.LastPlayback() == serverID {
		return nil
	}
	return s.change(func(d *stored) error { d.LastPlayback = serverID; return nil })
}

// rounds is the stored count of the dynamic code's rounds (section Rounds).
func (s *Store) rounds() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.Rounds
}

func (s *Store) setRounds(n int) error {
	if s.rounds() == n {
		return nil
	}
	return s.change(func(d *stored) error { d.Rounds = n; return nil })
}

// player returns the settings of the player as stored.
func (s *Store) player() storedPlayer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.Player
}

func (s *Store) setPlayer(p storedPlayer) error {
	return s.change(func(d *stored) error { d.Player = p; return nil })
}

// change applies fn to a copy, writes it, and makes it current.
func (s *Store) change(fn func(d *stored) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.data
	next.Records = slices.Clone(s.data.Records)
	if err := fn(&next); err != nil {
		return err
	}
	psks := map[string]noise.PSK{}
	for _, r := range next.Records {
		psk, err := loadPSK(prefixLong, r.PSK)
		if err != nil {
			return fmt.Errorf("client: pairing record: %w", err)
		}
		psks[r.ServerID] = psk
	}
	if err := s.write(next); err != nil {
		return err
	}
	s.data, s.psks = next, psks
	return nil
}
