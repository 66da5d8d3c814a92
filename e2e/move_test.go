package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// server is what stays the same over a move.
type server struct {
	ServerID string `json:"server_id"`
	Name     string `json:"name"`
}

// The drill: a house with a paired player, an approved one, a group, a persona and an
// operator's settings moves from SQLite to PostgreSQL, and another the other way. The
// paired player is not touched: it finds the server at the old address, on the pairing
// record, in its group, and plays.
func TestMovingHouse(t *testing.T) {
	for _, from := range harness.Modes() {
		to := map[string]string{"embedded": "distributed", "distributed": "embedded"}[from]
		t.Run(from+" to "+to, func(t *testing.T) {
			t.Parallel()
			moveHouse(t, from, to)
		})
	}
}

func moveHouse(t *testing.T, from, to string) {
	music := t.TempDir()
	harness.MusicFile(t, music, "song.flac", 20, 9)
	o := harness.Options{Music: music, Sendspin: harness.FreeAddr(t)}
	old := harness.StartServer(t, from, o)
	old.Must(t, "PATCH", "/api/v1/server", map[string]any{"policy": map[string]any{"pairing": "optional"}}, nil)
	before := whoIs(t, old)
	p := harness.NewPlayer(t, old, "Mover", false).Start(t)
	id := pairPlayer(t, old, p)
	old.Must(t, "PATCH", "/api/v1/clients/"+id, map[string]any{"label": "Lobby, left"}, nil)
	approved := harness.NewDevice(t, "Approved", harness.PCM44, harness.DeviceOptions{})
	approved.Connect(t, old.Sendspin)
	other := awaitClient(t, old, "Approved", func(c harness.Client) bool { return c.Trust == "approved" })
	g := group(t, old, "Hall", id, other.ClientID)
	old.Must(t, "POST", "/api/v1/personas", map[string]any{"name": "Entrance", "client_id": id}, nil)

	dir := t.TempDir()
	pass, file := filepath.Join(dir, "pass"), filepath.Join(dir, "house.backup")
	if err := os.WriteFile(pass, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := old.CLI("backup", file, "--passphrase-file", pass)
	if err != nil {
		t.Fatalf("tutti backup: %v\n%s", err, out)
	}
	sealed(t, file, before.ServerID, id, "Lobby, left")
	p.Await(t, "connected", nil)
	old.TerminateAll(t)

	o.Restore, o.Passphrase = file, pass
	s := harness.StartServer(t, to, o)
	if after := whoIs(t, s); after != before {
		t.Errorf("the server is %+v after the move, was %+v", after, before)
	}
	p.Await(t, "retrying", nil)
	e := p.Await(t, "connected", func(e map[string]any) bool { return e["category"] == "lt" })
	if e["server_id"] != before.ServerID || e["paired"] != true {
		t.Errorf("the player connected as %v", e)
	}
	harness.Eventually(t, patience, "both players as they were", func() string {
		c, _ := s.ClientNamed(t, "Mover")
		a, _ := s.ClientNamed(t, "Approved")
		if c.Trust != "paired" || !c.Connected || c.GroupID != g || a.Trust != "approved" || !a.Connected || a.GroupID != g {
			return c.Trust + " in " + c.GroupID + ", " + a.Trust + " in " + a.GroupID
		}
		return ""
	})
	var personas struct{ Personas []struct{ Name string } }
	s.Must(t, "GET", "/api/v1/personas", nil, &personas)
	if !slices.ContainsFunc(personas.Personas, func(p struct{ Name string }) bool { return p.Name == "Entrance" }) {
		t.Errorf("the personas after the move: %+v", personas)
	}
	s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "song.flac"}, nil)
	p.Await(t, "stream_start", nil)
	waitFrames(t, approved, 44100)
	if out, err := s.CLI("audit", "verify"); err != nil {
		t.Errorf("audit verify after the move: %v\n%s", err, out)
	}
	if v := p.Find("violation", nil); v != nil {
		t.Errorf("the player found the server at fault: %v", v)
	}
}

// pairPlayer pairs a running player by its token and returns its id.
func pairPlayer(t *testing.T, s *harness.Server, p *harness.Player) string {
	t.Helper()
	c := awaitClient(t, s, p.Name, func(c harness.Client) bool { return c.Connected })
	s.Must(t, "POST", "/api/v1/clients/"+c.ClientID+"/pairing", map[string]any{"method": "pairing_psk", "token": playerToken(t, p)}, nil)
	p.Await(t, "paired", nil)
	onRecord(t, s, p)
	return c.ClientID
}

// sealed checks that a file shows nothing of what is in it.
func sealed(t *testing.T, file string, words ...string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("age-encryption.org/")) {
		t.Errorf("the backup is no age file: %.40q", b)
	}
	for _, w := range words {
		if strings.Contains(string(b), w) {
			t.Errorf("the backup shows %q", w)
		}
	}
}
