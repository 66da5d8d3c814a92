package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that these pages name exists, so that a promise cannot lose its test
// unnoticed. A case is named behind a slash, as it is spelled in the source.
func TestPagesNameTestsThatExist(t *testing.T) {
	defined, source := testSources(t)
	for page, least := range map[string]int{"lessons.md": 20, "conformance-pairing.md": 60, "conformance.md": 250} {
		doc, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)(?:/([^`]+))?`").FindAllSubmatch(doc, -1)
		if len(named) < least {
			t.Fatalf("found only %d test names in %s", len(named), page)
		}
		for _, m := range named {
			if name := string(m[1]); !defined[name] {
				t.Errorf("docs/%s names %s, which does not exist", page, name)
			}
			if c := string(m[2]); c != "" && !strings.Contains(source, `"`+c+`"`) {
				t.Errorf("docs/%s names the case %q of %s, which does not exist", page, c, m[1])
			}
		}
	}
}

// testSources are the tests of all modules: the names that they define, and their text.
func testSources(t *testing.T) (map[string]bool, string) {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
	defined := map[string]bool{}
	var source strings.Builder
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		source.Write(src)
		for _, m := range function.FindAllSubmatch(src, -1) {
			defined[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return defined, source.String()
}
