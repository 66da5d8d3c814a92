package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile("`(Test[A-Za-z0-9_]+)(?:/([^`]+))?`")

// Every test that these pages name exists, so that a promise cannot lose its test
// unnoticed. A case is named behind a slash, as it is spelled in the test.
func TestPagesNameTestsThatExist(t *testing.T) {
	tests := testSources(t)
	for page, least := range map[string]int{"lessons.md": 40, "conformance-pairing.md": 60, "conformance.md": 250} {
		doc, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		named := namedTest.FindAllSubmatch(doc, -1)
		if len(named) < least {
			t.Fatalf("found only %d test names in %s", len(named), page)
		}
		for _, m := range named {
			cases, ok := tests[string(m[1])]
			if !ok {
				t.Errorf("docs/%s names %s, which does not exist", page, m[1])
			} else if c := string(m[2]); c != "" && !cases[c] {
				t.Errorf("docs/%s names the case %q, which %s does not have", page, c, m[1])
			}
		}
	}
}

// Every thread of testdata/lessons.txt has a row of docs/lessons.md that names a test, and no
// row answers what is not in the list.
func TestEveryLessonHasARow(t *testing.T) {
	list, err := os.ReadFile("testdata/lessons.txt")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/lessons.md")
	if err != nil {
		t.Fatal(err)
	}
	answered := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(line, "|\n "), " | ")
		if !strings.HasPrefix(line, "| ") || cells[0] == "what people suffered" {
			continue
		}
		if len(cells) != 4 || !namedTest.MatchString(cells[2]) {
			t.Errorf("a row without a test or a thread: %s", line)
			continue
		}
		for key := range strings.SplitSeq(cells[3], ", ") {
			answered[strings.TrimSpace(key)] = true
		}
	}
	n := 0
	for line := range strings.Lines(string(list)) {
		key := strings.TrimSpace(line)
		if key == "" || strings.HasPrefix(key, "# ") {
			continue
		}
		n++
		if !answered[key] {
			t.Errorf("no row of docs/lessons.md answers %s", key)
		}
		delete(answered, key)
	}
	for key := range answered {
		t.Errorf("docs/lessons.md answers %s, which is not in the list", key)
	}
	if n < 30 {
		t.Errorf("the list has only %d lessons", n)
	}
}

// testSources are the tests of all modules: of each name the texts that it has in its
// function, and in the functions of its package that those call.
func testSources(t *testing.T) map[string]map[string]bool {
	t.Helper()
	packages := map[string]map[string]*ast.FuncDecl{} // by folder, by name
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		if packages[dir] == nil {
			packages[dir] = map[string]*ast.FuncDecl{}
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				packages[dir][fn.Name.Name] = fn
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]map[string]bool{}
	for _, functions := range packages {
		for name, fn := range functions {
			if !strings.HasPrefix(name, "Test") || fn.Recv != nil {
				continue
			}
			if tests[name] == nil { // the same name in two packages is one to these pages
				tests[name] = map[string]bool{}
			}
			collect(fn, functions, map[string]bool{}, tests[name])
		}
	}
	return tests
}

// collect adds the texts of fn and of what it calls.
func collect(fn *ast.FuncDecl, functions map[string]*ast.FuncDecl, seen, texts map[string]bool) {
	if seen[fn.Name.Name] {
		return
	}
	seen[fn.Name.Name] = true
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				texts[s] = true
			}
		case *ast.Ident:
			if called := functions[n.Name]; called != nil && !strings.HasPrefix(n.Name, "Test") {
				collect(called, functions, seen, texts)
			}
		}
		return true
	})
}
