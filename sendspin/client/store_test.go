package client

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

func newPSK(t *testing.T) noise.PSK {
	t.Helper()
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		t.Fatal(err)
	}
	return psk
}

func newID(t *testing.T) string {
	t.Helper()
	key, err := noise.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public().ID()
}

func TestStoreSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "identity.json")
	s, err := OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	psk, id := newPSK(t), newID(t)
	if err := errors.Join(s.PutRecord(id, psk), s.setLastPlayback(id), s.setPlayer(storedPlayer{Volume: ptr(7), Muted: ptr(true), OutputDelayMS: 40})); err != nil {
		t.Fatal(err)
	}
	again, err := OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Identity().Equal(s.Identity()) || !again.PairingPSK().Equal(s.PairingPSK()) || again.LastPlayback() != id {
		t.Error("identity, pairing PSK or last-playback server changed")
	}
	if got, ok, err := again.Candidate(id, psk.ID(), noise.LongTerm); !ok || err != nil || !got.Equal(psk) {
		t.Errorf("record: %v %v", ok, err)
	}
	if p := again.player(); *p.Volume != 7 || !*p.Muted || p.OutputDelayMS != 40 {
		t.Errorf("player %+v", p)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".identity-*")); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestDamagedStoreIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.json")
	if _, err := OpenStore(path, nil); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":              {},
		"half":               good[:len(good)/2],
		"other version":      bytes.Replace(good, []byte(`"version": 1`), []byte(`"version": 2`), 1),
		"another kind":       bytes.Replace(good, []byte("sendspin-private-key-v1:"), []byte("sendspin-pairing-psk-v1:"), 1),
		"key cut":            bytes.Replace(good, []byte("sendspin-private-key-v1:"), []byte("sendspin-private-key-v1:A"), 1),
		"bad record":         bytes.Replace(good, []byte(`"records": []`), []byte(`"records": [{"server_id":"x"}]`), 1),
		"record without PSK": bytes.Replace(good, []byte(`"records": []`), []byte(`"records": [{"server_id":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]`), 1),
	} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenStore(path, nil)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, bad) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestUnreadableStoreIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenStore(dir, nil); err == nil { // a folder
		t.Error("no error")
	}
}

func TestWideOpenModeIsNarrowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.json")
	if _, err := OpenStore(path, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(path, nil); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestRecords(t *testing.T) {
	s, err := NewStore(nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, MaxRecords+2)
	for i := range ids {
		ids[i] = newID(t)
	}
	for i, id := range ids[:MaxRecords] {
		if err := s.PutRecord(id, newPSK(t)); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	s.used(ids[0])
	if err := s.PutRecord(ids[MaxRecords], newPSK(t), ids[1]); err != nil { // ids[2] is the least recently used that may go
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, r := range s.Records() {
		have[r.ServerID] = true
	}
	if len(have) != MaxRecords || have[ids[2]] || !have[ids[0]] || !have[ids[1]] {
		t.Errorf("%d records; 0 %v, 1 %v, 2 %v", len(have), have[ids[0]], have[ids[1]], have[ids[2]])
	}
	if err := s.PutRecord(ids[MaxRecords+1], newPSK(t), ids...); err == nil {
		t.Error("a record in use was evicted")
	}
	psk := newPSK(t)
	if err := s.PutRecord(ids[0], psk); err != nil { // replaces
		t.Fatal(err)
	}
	if len(s.Records()) != MaxRecords {
		t.Errorf("%d records after replacing one", len(s.Records()))
	}
	if _, _, err := s.Candidate(ids[1], psk.ID(), noise.LongTerm); err == nil {
		t.Error("another server uses the record")
	}
	if _, ok, err := s.Candidate(ids[0], psk.ID(), noise.Pairing); ok || err != nil {
		t.Errorf("a long-term PSK as a pairing PSK: %v, %v", ok, err)
	}
	if _, ok, _ := s.Candidate("anybody", s.PairingPSK().ID(), noise.Pairing); !ok {
		t.Error("the pairing PSK is no candidate")
	}
	if err := s.RemoveRecord(ids[0]); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Candidate(ids[0], psk.ID(), noise.LongTerm); ok || err != nil {
		t.Errorf("a removed record: %v, %v", ok, err)
	}
	if err := s.PutRecord("nobody", psk); err == nil {
		t.Error("a record for no server")
	}
}

func TestFailedWriteChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(filepath.Join(dir, "identity.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.PutRecord(newID(t), newPSK(t)); err == nil || len(s.Records()) != 0 {
		t.Errorf("%v, %d records", err, len(s.Records()))
	}
}

func TestSettingsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.json")
	store, err := OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Name: "x", Formats: testFormats(), BufferCapacity: 1 << 20, Store: store, Volume: ptr(55)}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c.core.player.volume != 55 {
		t.Errorf("volume %d, want the configured one", c.core.player.volume)
	}
	if err := errors.Join(c.SetVolume(12), c.SetMuted(true), c.SetOutputDelay(90)); err != nil {
		t.Fatal(err)
	}
	if cfg.Store, err = OpenStore(path, nil); err != nil {
		t.Fatal(err)
	}
	if c, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if p := c.core.player; p.volume != 12 || !p.muted || p.delayMS != 90 {
		t.Errorf("%+v", p)
	}
}
