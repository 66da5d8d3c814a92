package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileSetting is the name of the setting that names the file.
const fileSetting = "config"

// file applies the YAML file to settings that nothing else decided.
func (l *loader) file() {
	path := ""
	for _, f := range l.fields {
		if f.name == fileSetting {
			path = f.value.String()
		}
	}
	if path == "" {
		return
	}
	data, err := readBounded(path)
	if err != nil {
		l.fault("--%s: %w", fileSetting, err)
		return
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			l.fault("%s: %w", path, err)
		}
		return
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		l.fault("%s: expected lines of the form name: value", path)
		return
	}
	l.mapping(path, doc.Content[0])
}

func (l *loader) mapping(path string, m *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], m.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, key.Line)
		name := strings.ReplaceAll(key.Value, "_", "-")
		f, ok := l.find(name)
		switch {
		case !ok:
			l.fault("%s: unknown setting %q%s", at, key.Value, l.nearest(name))
		case seen[name]:
			l.fault("%s: %s is given twice", at, key.Value)
		case l.set[name] || name == fileSetting:
		default:
			if err := assignNode(f, value); err != nil {
				l.fault("%s: %s: %w", at, key.Value, err)
			}
		}
		seen[name] = true
	}
}

func (l *loader) find(name string) (field, bool) {
	for _, f := range l.fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func assignNode(f field, n *yaml.Node) error {
	_, list := f.value.Interface().([]string)
	switch {
	case n.Kind == yaml.ScalarNode:
		return assign(f, n.Value)
	case n.Kind == yaml.SequenceNode && list:
		var items []string
		if err := n.Decode(&items); err != nil {
			return errors.New("expected a list of texts")
		}
		*f.value.Addr().Interface().(*[]string) = items
		return nil
	case list:
		return errors.New("expected a list")
	default:
		return errors.New("expected one value")
	}
}

// nearest suggests a known name that is at most three edits away.
func (l *loader) nearest(name string) string {
	best, dist := "", 4
	for _, f := range l.fields {
		if d := edits(name, f.name); d < dist {
			best, dist = f.name, d
		}
	}
	if best == "" {
		return ": see --help for the names"
	}
	return fmt.Sprintf(": did you mean %s?", best)
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = min(prev, row[j], row[j+1]) + 1
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
