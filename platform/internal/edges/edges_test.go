package edges

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const ours = "github.com/tutti-audio/tutti/"

// root is the repository, seen from this package.
const root = "../../.."

// rule forbids imports; it returns why, or "".
type rule func(file, imp string) string

// rules in the order of the architecture page.
var rules = []rule{
	alone("sendspin", "the protocol library knows nothing of Tutti"),
	alone("audio", "the codecs know nothing of Tutti"),
	alone("platform", "the plumbing has no knowledge of the domain"),
	alone("proto", "the bus contract depends on nobody"),
	func(file, imp string) string {
		from, to := service(file), service(strings.TrimPrefix(imp, ours))
		if from != "" && to != "" && from != to {
			return "a service never imports another; they meet on the bus"
		}
		return ""
	},
	func(file, imp string) string {
		if strings.HasPrefix(imp, "github.com/jackc/pgx") && !under(file, "services/pairing") && !testOf(file, "e2e", "cmd") {
			return "only services/pairing speaks to PostgreSQL"
		}
		return ""
	},
	func(file, imp string) string {
		// `tutti nats-config` makes the services' keys; benches start servers and measure beside the bus.
		keys := imp == "github.com/nats-io/nkeys" && under(file, "cmd/tutti/internal/natscmd")
		if strings.HasPrefix(imp, "github.com/nats-io/") && !under(file, "platform/bus") && !testOf(file, "e2e", "cmd", "deploy") && !under(file, "bench") && !keys {
			return "only platform/bus knows NATS"
		}
		return ""
	},
}

// alone lets a module import none of ours but itself.
func alone(module, why string) rule {
	return func(file, imp string) string {
		if under(file, module) && strings.HasPrefix(imp, ours) && !under(strings.TrimPrefix(imp, ours), module) {
			return why
		}
		return ""
	}
}

// testOf reports whether file is a test in one of the folders that start servers.
func testOf(file string, folders ...string) bool {
	for _, f := range folders {
		if under(file, f) && (strings.HasSuffix(file, "_test.go") || f == "e2e") {
			return true
		}
	}
	return false
}

func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// service is "services/x" of a path below it, else "".
func service(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) < 2 || parts[0] != "services" {
		return ""
	}
	return "services/" + parts[1]
}

func TestImportEdges(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Fatalf("this test reads the whole repository: %v", err)
	}
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); path != root && (strings.HasPrefix(n, ".") || n == "node_modules" || n == "testdata" || n == "vendor") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files++
		for _, fault := range check(filepath.ToSlash(rel), path, nil) {
			t.Error(fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Fatalf("only %d Go files were seen; is %s the repository?", files, root)
	}
}

// check lists what file imports against the rules; src replaces its content.
func check(file, path string, src any) []string {
	parsed, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
	if err != nil {
		return nil // the compiler says it better
	}
	var faults []string
	for _, spec := range parsed.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		for _, r := range rules {
			if why := r(file, imp); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", file, imp, why))
			}
		}
	}
	return faults
}

// TestRulesBite shows that each rule finds what it forbids and lets the rest pass.
func TestRulesBite(t *testing.T) {
	for _, tc := range []struct {
		file, imp string
		bad       bool
	}{
		{"sendspin/wire/a.go", ours + "platform/bus", true},
		{"sendspin/wire/a.go", ours + "sendspin/clock", false},
		{"audio/a.go", ours + "sendspin/wire", true},
		{"platform/actor/a.go", ours + "proto/subject", true},
		{"platform/lease/a.go", ours + "platform/bus", false},
		{"proto/tape/a.go", ours + "sendspin/wire", true},
		{"services/stream/a.go", ours + "services/pairing", true},
		{"services/stream/a.go", ours + "services/stream/internal/group", false},
		{"services/stream/a.go", ours + "sendspin/wire", false},
		{"services/stream/a.go", "github.com/jackc/pgx/v5", true},
		{"services/pairing/internal/store/a.go", "github.com/jackc/pgx/v5", false},
		{"services/stream/a_test.go", "github.com/nats-io/nats.go", true},
		{"platform/lease/a.go", "github.com/nats-io/nats.go", true},
		{"platform/bus/bustest/a.go", "github.com/nats-io/nats-server/v2/server", false},
		{"cmd/tutti/main.go", "github.com/nats-io/nats.go", true},
		{"cmd/tutti/a_test.go", "github.com/nats-io/nats.go", false},
		{"e2e/cluster.go", "github.com/nats-io/nats-server/v2/server", false},
		{"deploy/run_test.go", "github.com/nats-io/nats-server/v2/server", false},
		{"deploy/doc.go", "github.com/nats-io/nats-server/v2/server", true},
		{"cmd/tutti/main.go", ours + "services/stream", false},
	} {
		src := fmt.Sprintf("package p\nimport _ %q\n", tc.imp)
		if got := check(tc.file, "x.go", src); (len(got) > 0) != tc.bad {
			t.Errorf("%s importing %s: got %q, want a fault: %v", tc.file, tc.imp, got, tc.bad)
		}
	}
}
