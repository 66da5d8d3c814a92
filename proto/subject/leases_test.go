package subject

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// leaseSites are the places in the source that take leases: who, and an example of a key of
// each kind.
var leaseSites = map[string]struct {
	service string
	keys    []string
}{
	"services/stream/service.go":                    {Stream, []string{"stream.i-1", "director", "scheduler"}},
	"services/stream/internal/group/registry.go":    {Stream, []string{"group.g-1"}},
	"platform/houseclock/lead.go":                   {Stream, []string{"clock"}},
	"services/session-gateway/peers.go":             {Gateway, []string{"gateway.i-1"}},
	"services/session-gateway/connect.go":           {Gateway, []string{"dial.mdns.a-b"}},
	"services/pairing/internal/attempt/attempts.go": {Pairing, []string{"attempt.c-1"}},
}

var takesLease = regexp.MustCompile(`(?i)\b(leases|lm)\.(campaign|acquire)\(`)

// TestEveryLeaseMayBeTaken: a lease that NATS refuses is a service that never begins its
// work. Who takes leases at a new place, or of a new kind, says so here.
func TestEveryLeaseMayBeTaken(t *testing.T) {
	found := map[string]int{}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"services", "platform", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			if n := len(takesLease.FindAll(text, -1)); n > 0 {
				found[filepath.ToSlash(name)] = n
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range found {
		if want := len(leaseSites[name].keys); n != want {
			t.Errorf("%s takes leases at %d places, leaseSites knows %d: add the key there, and its pattern to Stores", name, n, want)
		}
	}
	for name, site := range leaseSites {
		if found[name] == 0 {
			t.Errorf("%s takes no lease any more: strike it out", name)
		}
		for _, user := range Services() {
			for _, key := range site.keys {
				if got, want := allows(Allowed(user).Publish, "$KV."+BucketLeases+"."+key), user == site.service; got != want {
					t.Errorf("%s may take the lease %q: %v, want %v", user, key, got, want)
				}
			}
		}
	}
}

var announces = regexp.MustCompile(`NewService\(("[^"]+"|\w+),`)

// TestEveryServiceMayAnnounceItself: by every name that the source gives to NewService.
func TestEveryServiceMayAnnounceItself(t *testing.T) {
	known := map[string]string{`"pairing"`: Pairing, `"stream"`: Stream, `"stream-director"`: Stream, `"stream-scheduler"`: Stream, "serviceName": Discovery}
	seen := 0
	err := filepath.WalkDir(filepath.Join("..", "..", "services"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range announces.FindAllStringSubmatch(string(text), -1) {
			seen++
			user, ok := known[m[1]]
			if !ok {
				t.Errorf("%s announces %s: add it here and to the permissions", file, m[1])
				continue
			}
			name := strings.Trim(m[1], `"`)
			if name == "serviceName" {
				name = Discovery
			}
			for _, s := range []string{"$SRV.PING." + name, "$SRV.INFO." + name + ".i"} {
				if !allows(Allowed(user).Subscribe, s) {
					t.Errorf("%s may not listen at %s", user, s)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < len(known) {
		t.Errorf("only %d of %d names were found in the source", seen, len(known))
	}
}
