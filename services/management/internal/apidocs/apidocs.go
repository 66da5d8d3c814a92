// Package apidocs renders the OpenAPI document as one page of plain HTML. It
// loads nothing from anywhere but this server and needs no script.
package apidocs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page.gohtml
var pageTemplate string

//go:embed style.css
var styleSheet []byte

// policy lets the page load its own style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register adds /openapi.json, /docs and /docs/style.css to mux. Document and
// page are rendered here, once.
func Register(mux *http.ServeMux, doc *huma.OpenAPI) error {
	spec, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("management: encode the OpenAPI document: %w", err)
	}
	page, err := Render(doc)
	if err != nil {
		return err
	}
	mux.HandleFunc("GET /openapi.json", serve("application/json", spec))
	mux.HandleFunc("GET /docs", serve("text/html; charset=utf-8", page))
	mux.HandleFunc("GET /docs/style.css", serve("text/css; charset=utf-8", styleSheet))
	return nil
}

func serve(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(content) // the reader has gone; there is nobody to tell
	}
}

// Render makes the page.
func Render(doc *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{"prose": prose}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("management: parse the docs page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, newPage(doc)); err != nil {
		return nil, fmt.Errorf("management: render the docs page: %w", err)
	}
	return out.Bytes(), nil
}

// prose renders the little Markdown that our descriptions use: `code`, *emphasis*
// and paragraphs. Everything else is escaped text.
func prose(s string) template.HTML {
	var out bytes.Buffer
	for _, paragraph := range regexp.MustCompile(`\n\s*\n`).Split(s, -1) {
		if paragraph == "" {
			continue
		}
		e := template.HTMLEscapeString(paragraph)
		e = regexp.MustCompile("`([^`]+)`").ReplaceAllString(e, "<code>$1</code>")
		e = regexp.MustCompile(`\*([^*\n]+)\*`).ReplaceAllString(e, "<em>$1</em>")
		fmt.Fprintf(&out, "<p>%s</p>", e)
	}
	return template.HTML(out.String()) //nolint:gosec // the text was escaped above
}
