package apidocs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// page is what the template shows.
type page struct {
	Title, Version, About string
	Sections              []section
	Schemas               []schemaView
}

type section struct {
	Name, About string
	Operations  []operationView
}

type operationView struct {
	ID, Method, Path, Role, Summary, Doc string
	Params                               []fieldView
	BodyRequired, HasBody                bool
	BodySchema                           typeView
	BodyFields                           []fieldView
	Responses                            []responseView
}

type fieldView struct {
	Name, In string
	Type     typeView
	Required bool
	Doc      string
	Limits   string
}

type responseView struct {
	Status, Doc, Content string
	Type                 typeView
	OK                   bool
}

// typeView is a type in words, with the schema it leads to.
type typeView struct{ Text, Ref string }

type schemaView struct {
	Name   string
	Fields []fieldView
}

const refPrefix = "#/components/schemas/"

func newPage(doc *huma.OpenAPI) page {
	p := page{Title: doc.Info.Title, Version: doc.Info.Version, About: doc.Info.Description}
	schemas := doc.Components.Schemas.Map()
	byTag := map[string][]operationView{}
	for _, path := range sortedKeys(doc.Paths) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				byTag[op.Tags[0]] = append(byTag[op.Tags[0]], newOperation(op, schemas))
			}
		}
	}
	for _, tag := range doc.Tags {
		p.Sections = append(p.Sections, section{Name: tag.Name, About: tag.Description, Operations: byTag[tag.Name]})
	}
	for _, name := range sortedKeys(schemas) {
		p.Schemas = append(p.Schemas, schemaView{Name: name, Fields: fields(schemas[name])})
	}
	return p
}

func newOperation(op *huma.Operation, schemas map[string]*huma.Schema) operationView {
	v := operationView{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Doc: op.Description}
	v.Role, _ = op.Extensions["x-tutti-role"].(string)
	if open, _ := op.Extensions["x-tutti-open"].(bool); open {
		v.Role = "no credential"
	}
	for _, p := range op.Parameters {
		v.Params = append(v.Params, fieldView{
			Name: p.Name, In: p.In, Type: typeOf(p.Schema), Required: p.Required,
			Doc: firstOf(p.Description, describe(p.Schema)), Limits: limits(p.Schema),
		})
	}
	if b := op.RequestBody; b != nil {
		v.HasBody, v.BodyRequired = true, b.Required
		for _, m := range b.Content {
			v.BodySchema = typeOf(m.Schema)
			s := m.Schema
			if s.Ref != "" {
				s = schemas[strings.TrimPrefix(s.Ref, refPrefix)]
			}
			v.BodyFields = fields(s)
		}
	}
	for _, status := range sortedKeys(op.Responses) {
		r := op.Responses[status]
		rv := responseView{Status: status, Doc: r.Description, OK: strings.HasPrefix(status, "2")}
		for ct, m := range r.Content {
			rv.Content, rv.Type = ct, typeOf(m.Schema)
		}
		v.Responses = append(v.Responses, rv)
	}
	return v
}

func fields(s *huma.Schema) []fieldView {
	if s == nil {
		return nil
	}
	var out []fieldView
	for _, name := range sortedKeys(s.Properties) {
		f := s.Properties[name]
		out = append(out, fieldView{
			Name: name, Type: typeOf(f), Required: slices.Contains(s.Required, name),
			Doc: describe(f), Limits: limits(f),
		})
	}
	slices.SortStableFunc(out, func(a, b fieldView) int { // what is always there comes first
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

func describe(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	return s.Description
}

func typeOf(s *huma.Schema) typeView {
	switch {
	case s == nil:
		return typeView{Text: "any"}
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, refPrefix)
		return typeView{Text: name, Ref: name}
	case s.Type == huma.TypeArray:
		t := typeOf(s.Items)
		return typeView{Text: "list of " + t.Text, Ref: t.Ref}
	}
	text := s.Type
	if s.Format == "date-time" {
		text = "time"
	}
	if s.Nullable {
		text += " or null"
	}
	return typeView{Text: text}
}

func limits(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	var out []string
	if len(s.Enum) > 0 {
		words := make([]string, 0, len(s.Enum))
		for _, e := range s.Enum {
			words = append(words, fmt.Sprint(e))
		}
		out = append(out, "one of "+strings.Join(words, ", "))
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil && *s.Maximum < 1e15:
		out = append(out, fmt.Sprintf("%g to %g", *s.Minimum, *s.Maximum))
	case s.Minimum != nil:
		out = append(out, fmt.Sprintf("at least %g", *s.Minimum))
	}
	if s.MaxLength != nil {
		out = append(out, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.Default != nil {
		out = append(out, fmt.Sprintf("default %v", s.Default))
	}
	if len(s.Examples) > 0 && len(s.Enum) == 0 {
		if b, err := json.Marshal(s.Examples[0]); err == nil {
			out = append(out, "such as "+string(b))
		}
	}
	return strings.Join(out, "; ")
}

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
