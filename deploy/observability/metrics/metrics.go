// Package metrics reads from the sources which metrics the services have: name, type and
// help. A process tells only those of its own services, and of a family with labels nothing
// until something was counted; the sources tell all of them.
package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Types of a metric, as Prometheus calls them.
const (
	Counter   = "counter"
	Gauge     = "gauge"
	Histogram = "histogram"
	Summary   = "summary"
)

// kinds are the options with which a metric of each type is made.
var kinds = map[string]string{"CounterOpts": Counter, "GaugeOpts": Gauge, "HistogramOpts": Histogram, "SummaryOpts": Summary}

// Metric is one family of time series.
type Metric struct {
	Name, Type, Help string
}

// Read finds the metrics in the Go files of folders, sorted by name. It is an error when a
// name cannot be read from the source, or when two places give it different types.
func Read(folders ...string) ([]Metric, error) {
	byName := map[string]Metric{}
	for _, root := range folders {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			found, err := inFile(f)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			for _, m := range found {
				if was, ok := byName[m.Name]; ok && was.Type != m.Type {
					return fmt.Errorf("%s: %s is a %s here, a %s elsewhere", path, m.Name, m.Type, was.Type)
				}
				byName[m.Name] = m
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]Metric, 0, len(byName))
	for _, m := range byName {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// maker is a function of a file that makes metrics of one type; its name and help are
// parameters of it.
type maker struct {
	typ, prefix string
	name, help  int // places of the parameters; help is -1 when it is always the same
	says        string
}

// inFile finds the metrics of a file: options written out, and calls of the file's makers.
func inFile(f *ast.File) ([]Metric, error) {
	consts := constants(f)
	makers := map[string]maker{}
	var out []Metric
	var err error
	for _, fn := range functions(f) {
		ast.Inspect(fn.body, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || err != nil {
				return err == nil
			}
			typ := kinds[selected(lit.Type)]
			if typ == "" {
				return true
			}
			if fn.inner(lit) { // it belongs to a function in this one, which is looked at by itself
				return true
			}
			fields := map[string]ast.Expr{}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					fields[kv.Key.(*ast.Ident).Name] = kv.Value
				}
			}
			prefix := ""
			for _, part := range []string{"Namespace", "Subsystem"} {
				if s, ok := text(fields[part], consts); ok {
					prefix += s + "_"
				}
			}
			if name, ok := text(fields["Name"], consts); ok {
				help, _ := text(fields["Help"], consts)
				out = append(out, Metric{prefix + name, typ, help})
				return true
			}
			m := maker{typ: typ, prefix: prefix, help: fn.param(fields["Help"])}
			m.says, _ = text(fields["Help"], consts)
			last := fields["Name"]
			if sum, ok := last.(*ast.BinaryExpr); ok {
				s, _ := text(sum.X, consts)
				m.prefix, last = m.prefix+s, sum.Y
			}
			if m.name = fn.param(last); m.name < 0 || fn.name == "" {
				err = fmt.Errorf("a %s whose name cannot be read", typ)
				return false
			}
			makers[fn.name] = m
			return true
		})
	}
	collected, descErr := described(f, consts)
	out, err = append(out, collected...), cmp.Or(err, descErr)
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || err != nil {
			return err == nil
		}
		id, ok := call.Fun.(*ast.Ident)
		if !ok {
			return true
		}
		m, ok := makers[id.Name]
		if !ok || m.name >= len(call.Args) {
			return true
		}
		name, ok := text(call.Args[m.name], consts)
		if !ok {
			err = fmt.Errorf("a %s of %s, whose name cannot be read", m.typ, id.Name)
			return false
		}
		help := m.says
		if m.help >= 0 {
			help, _ = text(call.Args[m.help], consts)
		}
		out = append(out, Metric{m.prefix + name, m.typ, help})
		return true
	})
	return out, err
}

// values are the types of what a collector of a file's own tells, by the constant and by the
// function that it tells them with.
var values = map[string]string{"CounterValue": Counter, "GaugeValue": Gauge,
	"NewConstHistogram": Histogram, "MustNewConstHistogram": Histogram, "NewConstSummary": Summary, "MustNewConstSummary": Summary}

// described are the metrics of a file's own collector: descriptions, which have no type. The file
// tells values of one type only, or nobody could say which is whose.
func described(f *ast.File, consts map[string]string) (out []Metric, err error) {
	types := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if typ := values[selected(e)]; ok && typ != "" {
			types[typ] = true
		}
		call, ok := n.(*ast.CallExpr)
		if !ok || selected(call.Fun) != "NewDesc" || len(call.Args) < 2 {
			return true
		}
		name, named := text(call.Args[0], consts)
		help, _ := text(call.Args[1], consts)
		if !named {
			err = errors.New("a description whose name cannot be read")
		}
		out = append(out, Metric{Name: name, Help: help})
		return true
	})
	if len(out) > 0 && len(types) != 1 && err == nil {
		err = fmt.Errorf("%s is described, and values of %d types are told", out[0].Name, len(types))
	}
	for typ := range types {
		for i := range out {
			out[i].Type = typ
		}
	}
	return out, err
}

// function is one with a body, and the name by which its file calls it.
type function struct {
	name   string
	params []string
	body   *ast.BlockStmt
	within []*ast.FuncLit // functions in it
}

// param is the place of a parameter, -1 for anything else.
func (f function) param(e ast.Expr) int {
	id, ok := e.(*ast.Ident)
	if !ok {
		return -1
	}
	return slices.Index(f.params, id.Name)
}

// inner reports whether a node is in one of the functions inside of this one.
func (f function) inner(n ast.Node) bool {
	return slices.ContainsFunc(f.within, func(lit *ast.FuncLit) bool { return lit.Pos() <= n.Pos() && n.End() <= lit.End() })
}

func functions(f *ast.File) []function {
	names := map[*ast.FuncLit]string{}
	var out []function
	add := func(name string, typ *ast.FuncType, body *ast.BlockStmt) {
		fn := function{name: name, body: body}
		for _, p := range typ.Params.List {
			for _, id := range p.Names {
				fn.params = append(fn.params, id.Name)
			}
		}
		ast.Inspect(body, func(n ast.Node) bool {
			if lit, ok := n.(*ast.FuncLit); ok {
				fn.within = append(fn.within, lit)
			}
			return true
		})
		out = append(out, fn)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, right := range n.Rhs {
				lit, ok := right.(*ast.FuncLit)
				if !ok || len(n.Lhs) != len(n.Rhs) {
					continue
				}
				if id, ok := n.Lhs[i].(*ast.Ident); ok {
					names[lit] = id.Name
				}
			}
		case *ast.FuncDecl:
			if n.Body != nil {
				add(n.Name.Name, n.Type, n.Body)
			}
		case *ast.FuncLit:
			add(names[n], n.Type, n.Body)
		}
		return true
	})
	return out
}

// constants are the file's constants of text.
func constants(f *ast.File) map[string]string {
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			return true
		}
		for _, s := range d.Specs {
			v := s.(*ast.ValueSpec)
			for i, id := range v.Names {
				if i >= len(v.Values) {
					continue
				}
				if s, ok := text(v.Values[i], out); ok {
					out[id.Name] = s
				}
			}
		}
		return true
	})
	return out
}

// text is what an expression of literals and constants says.
func text(e ast.Expr, consts map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		s, ok := consts[e.Name]
		return s, ok
	case *ast.BinaryExpr:
		a, okA := text(e.X, consts)
		b, okB := text(e.Y, consts)
		return a + b, okA && okB && e.Op == token.ADD
	}
	return "", false
}

// selected is the name behind the package of a type such as prometheus.GaugeOpts.
func selected(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}
