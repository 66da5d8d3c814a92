package management_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// constants are those of another service's file whose names begin with prefix, by name:
// this service must not import them, and must not forget one.
func constants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != gotoken.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for i, name := range v.Names {
				if lit, ok := constant(v, i); ok && strings.HasPrefix(name.Name, prefix) {
					out[name.Name] = lit
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no constant %s…", file, prefix)
	}
	return out
}

func constant(v *ast.ValueSpec, i int) (string, bool) {
	if i >= len(v.Values) {
		return "", false
	}
	lit, ok := v.Values[i].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	if s, err := strconv.Unquote(lit.Value); err == nil {
		return s, true
	}
	return lit.Value, true
}

// Every reason for which the pairing service lets a device wait is in the document, and has
// a sentence that says what to do.
func TestEveryReasonToWaitIsExplained(t *testing.T) {
	w := newWorld(t)
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	if err := json.Unmarshal(w.getRaw("/openapi.json"), &doc); err != nil {
		t.Fatal(err)
	}
	words := doc.Components.Schemas["InboxEntry"].Properties["reason"].Description
	known := strings.FieldsFunc(words, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	reasons := constants(t, "../pairing/internal/trust/trust.go", "Wait")
	for name, reason := range constants(t, "../pairing/internal/trust/trust.go", "Warn") {
		reasons[name] = reason
	}
	for name, reason := range reasons {
		if !slices.Contains(known, reason) {
			t.Errorf("the document lacks %s %q: %s", name, reason, words)
		}
		id := w.fakes.device(name, waiting(reason))
		eventually(t, func() error {
			for _, e := range decode[model.Inbox](w.get("/api/v1/inbox").want(http.StatusOK)).Waiting {
				if e.ClientID == id && e.Reason == reason && e.Detail != "" {
					return nil
				}
			}
			return fmt.Errorf("%s: the inbox does not say what to do", reason)
		})
	}
}

// What the document allows, the services take: their limits are the schema's.
func TestTheDocumentsLimitsAreTheServices(t *testing.T) {
	w := newWorld(t)
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ MaxLength, MaxItems int }
			}
		}
	}
	if err := json.Unmarshal(w.getRaw("/openapi.json"), &doc); err != nil {
		t.Fatal(err)
	}
	label := constants(t, "../pairing/internal/trust/text.go", "MaxText")["MaxText"]
	settings := constants(t, "../pairing/internal/desk/settings.go", "max")
	group := constants(t, "../stream/internal/group/commands.go", "maxName")["maxName"]
	for _, tc := range []struct{ schema, field, want string }{
		{"PatchClientBody", "label", label},
		{"ApproveBody", "label", label},
		{"PatchServerBody", "name", settings["maxName"]},
		{"PatchServerBody", "languages", settings["maxLanguages"]},
		{"CreateGroupBody", "name", group},
		{"PatchGroupBody", "name", group},
	} {
		p, ok := doc.Components.Schemas[tc.schema].Properties[tc.field]
		if got := fmt.Sprint(max(p.MaxLength, p.MaxItems)); !ok || got != tc.want {
			t.Errorf("%s.%s is at most %s, the service takes %s", tc.schema, tc.field, got, tc.want)
		}
	}
	id := w.fakes.device("Kitchen", waiting("new"))
	w.known(id)
	long := strings.Repeat("é", 65)
	w.patch("/api/v1/clients/"+id, map[string]string{"label": long}).problem(http.StatusUnprocessableEntity)
	w.patch("/api/v1/clients/"+id, map[string]string{"label": long[2:]}).want(http.StatusOK)
	w.post("/api/v1/clients/"+id+"/approve", map[string]string{"label": long}).problem(http.StatusUnprocessableEntity)
	w.patch("/api/v1/server", map[string]string{"name": strings.Repeat("n", 64)}).problem(http.StatusUnprocessableEntity)
	w.patch("/api/v1/server", map[string]string{"name": strings.Repeat("n", 63)}).want(http.StatusOK)
}

// Administrative acts that no other service writes down leave their line.
func TestChangesOfSoundAndLibraryAreAudited(t *testing.T) {
	w := newWorld(t)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"Bar"}`).want(http.StatusCreated))
	w.patch("/api/v1/groups/"+g.GroupID, `{"crossfade_ms":4000,"normalization":"track"}`).want(http.StatusOK)
	w.post("/api/v1/library/rescan", nil).want(http.StatusAccepted)
	eventually(t, func() error {
		for _, kind := range []string{"group.settings", "library.rescan"} {
			if got := w.fakes.audited(); !slices.Contains(got, "token:admin "+kind) {
				return fmt.Errorf("the ledger lacks %s: %v", kind, got)
			}
		}
		return nil
	})
}

// Nobody can sign in who does not know where the token is. Whoever starts the service
// alone is told at a level that is always shown; in the one binary the banner says it,
// and the line is for the record. The token itself is in neither.
func TestWhereTheAdminTokenIs(t *testing.T) {
	for mode, level := range map[string]string{management.ModeEmbedded: "level=INFO", management.ModeDistributed: "level=WARN"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			w := newWorld(t, func(c *management.Config) { c.AdminToken, c.DataDir, c.Mode = "", dir, mode })
			file := filepath.Join(dir, "admin-token")
			token, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			said := false
			for line := range strings.Lines(w.logs.String()) {
				said = said || strings.Contains(line, level) && strings.Contains(line, file)
				if strings.Contains(line, strings.TrimSpace(string(token))) {
					t.Error("the log holds the token")
				}
			}
			if !said {
				t.Errorf("no line at %s names the file", level)
			}
		})
	}
}
