package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Policy is the Content-Security-Policy of the console: it runs its own scripts and
// styles, speaks to its own server, and is shown in no frame. 'self' covers WebSockets
// of the same host and port (CSP 3, section 6.7.2.8).
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// permissions lets the console use the camera (QR codes) and the microphone
// (announcements), and nobody inside it.
const permissions = "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()"

const (
	// forever is for files whose names hold a hash of what is in them.
	forever = "public, max-age=31536000, immutable"
	// revalidate is for files that change under their name.
	revalidate = "no-cache"
)

// file is one file, ready to be sent.
type file struct {
	contentType string
	etag        string
	cache       string
	plain, gzip []byte // gzip is nil where it would not be smaller
}

// Register adds the console to mux: / is index.html, and every other file is at its own
// path. What is not a file of the console is left to the other routes.
func Register(mux *http.ServeMux) error {
	return register(mux, Files())
}

func register(mux *http.ServeMux, files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("management: read the console's file %s: %w", name, err)
		}
		f, err := prepare(name, content)
		if err != nil {
			return fmt.Errorf("management: compress the console's file %s: %w", name, err)
		}
		pattern := "GET /" + name
		if name == "index.html" {
			pattern = "GET /{$}"
		}
		mux.Handle(pattern, f)
		return nil
	})
}

func prepare(name string, content []byte) (*file, error) {
	sum := sha256.Sum256(content)
	f := &file{contentType: typeOf(name), etag: `"` + hex.EncodeToString(sum[:12]) + `"`, cache: revalidate, plain: content}
	if strings.HasPrefix(name, "assets/") {
		f.cache = forever
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if out.Len() < len(content) {
		f.gzip = out.Bytes()
	}
	return f, nil
}

// typeOf does not ask the system's table, which differs from machine to machine.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".webmanifest":
		return "application/manifest+json"
	case ".json":
		return "application/json"
	case ".wasm":
		return "application/wasm"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// ServeHTTP sends the file, compressed where the browser takes that.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", Policy)
	h.Set("Permissions-Policy", permissions)
	h.Set("Cache-Control", f.cache)
	h.Set("Vary", "Accept-Encoding")
	etag, content := f.etag, f.plain
	if f.gzip != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		etag, content = strings.TrimSuffix(f.etag, `"`)+`-gz"`, f.gzip
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), f.etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	_, _ = w.Write(content) // the reader has gone; there is nobody to tell
}

// takesGzip reads Accept-Encoding as far as it decides about gzip.
func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if c := strings.TrimSpace(coding); !strings.EqualFold(c, "gzip") && c != "*" {
			continue
		}
		q = strings.TrimSpace(q)
		return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
	}
	return false
}

// matches says whether If-None-Match names the file, compressed or not.
func matches(header, etag string) bool {
	gz := strings.TrimSuffix(etag, `"`) + `-gz"`
	for part := range strings.SplitSeq(header, ",") {
		switch strings.TrimPrefix(strings.TrimSpace(part), "W/") {
		case etag, gz, "*":
			return true
		}
	}
	return false
}
