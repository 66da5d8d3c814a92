package source_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
)

// site serves the music folder in several ways, good and bad.
type site struct {
	*httptest.Server
	requests atomic.Int64
	etag     atomic.Int64
}

func newSite(t *testing.T, dir string) *site {
	s := &site{}
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, s.etag.Load()))
		http.ServeFile(w, r, filepath.Join(dir, r.PathValue("name")))
	}
	whole := func(r *http.Request) []byte {
		b, err := os.ReadFile(filepath.Join(dir, r.PathValue("name")))
		if err != nil {
			panic(err)
		}
		return b
	}
	mux.HandleFunc("/range/{name}", serve)
	mux.HandleFunc("/plain/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(whole(r))
	})
	mux.HandleFunc("/chunked/{name}", func(w http.ResponseWriter, r *http.Request) {
		for part := range slices.Chunk(whole(r), 10_000) {
			_, _ = w.Write(part)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/breaks/{name}", func(w http.ResponseWriter, r *http.Request) {
		serve(&breaking{ResponseWriter: w, left: 150_000}, r)
	})
	mux.HandleFunc("/stalls/{name}", func(w http.ResponseWriter, r *http.Request) {
		b := whole(r)
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:len(b)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/silent/{name}", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// breaking cuts the connection after so many bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return b.ResponseWriter.Write(p)
}

func TestHTTPGivesTheSameSamples(t *testing.T) {
	dir := musicDir(t)
	s := newSite(t, dir)
	for _, name := range []string{"a.flac", "b.wav", "stereo-cbr.mp3"} {
		want := readAll(t, open(t, name, dir))
		for i, way := range []string{"range", "plain", "chunked", "breaks"} {
			t.Run(way+"/"+name, func(t *testing.T) {
				src := open(t, s.URL+"/"+way+"/"+name, "")
				ch := int64(src.Info().Channels)
				// Decoding MP3 is slow under the race detector, and one way shows it.
				if name != "stereo-cbr.mp3" || i == 0 {
					if got := readAll(t, src); !slices.Equal(got, want) {
						t.Fatalf("%d samples, want %d", len(got), len(want))
					}
				}
				for _, f := range []int64{60000, 100, 105000, 30000} {
					if err := src.SeekFrame(f); err != nil {
						t.Fatal(err)
					}
					if got := readSome(t, src, 5000); !slices.Equal(got, want[f*ch:f*ch+5000*ch]) {
						t.Fatalf("after seek to %d: other samples", f)
					}
				}
			})
		}
	}
}

func TestHTTPSeekDoesNotDownloadAll(t *testing.T) {
	dir := musicDir(t)
	big := make([]byte, 8<<20)
	wav, err := os.ReadFile(filepath.Join(dir, "b.wav"))
	if err != nil {
		t.Fatal(err)
	}
	copy(big, wav[:68])
	copy(big[64:], []byte{0xFF, 0xFF, 0xFF, 0xFF}) // data until the end of the file
	copy(big[6<<20:], bytes.Repeat([]byte{1, 0}, 100))
	write(t, filepath.Join(dir, "big.wav"), big)
	s := newSite(t, dir)
	src := open(t, s.URL+"/range/big.wav", "")
	before := s.requests.Load()
	if err := src.SeekFrame((6<<20 - 68) / 4); err != nil {
		t.Fatal(err)
	}
	buf := make([]int32, 20)
	if _, err := src.Read(buf); err != nil || buf[0] != 1 {
		t.Fatalf("%v, %v", buf, err)
	}
	if n := s.requests.Load() - before; n != 1 {
		t.Errorf("%d requests for one seek", n)
	}
}

func TestHTTPFailuresAreNamedAndBounded(t *testing.T) {
	dir := musicDir(t)
	write(t, filepath.Join(dir, "page.mp3"), []byte("<html>login</html>"))
	s := newSite(t, dir)
	o := source.Options{MaxDownload: 200_000, TempDir: t.TempDir()}
	for path, want := range map[string]string{
		"/range/none.flac":    `the server answers "404 Not Found": check the address`,
		"/range/b.wav":        "more than the limit of 200000",
		"/chunked/b.wav":      "more than 200000 bytes from a server without ranges",
		"/range/page.mp3":     "page.mp3: not an MP3 stream",
		"/silent/a.flac":      "no answer within 300ms",
		"/stalls/mpeg2.mp3":   "", // opens: the beginning is there
		"/stalls/a.flac?u=p@": "",
	} {
		o.HTTPTimeout = time.Minute // a slow machine answers, too
		if strings.HasPrefix(path, "/silent/") || strings.HasPrefix(path, "/stalls/") {
			o.HTTPTimeout = 300 * time.Millisecond
		}
		src, err := source.Open(t.Context(), s.URL+path, o)
		if want == "" {
			if err == nil {
				buf := make([]int32, 1000)
				for err == nil {
					_, err = src.Read(buf)
				}
				_ = src.Close()
			}
			want = "no answer within 300ms"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	if left, err := os.ReadDir(o.TempDir); err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	o.HTTPTimeout = time.Minute
	_, err := source.Open(t.Context(), strings.Replace(s.URL, "http://", "http://user:hunter2@", 1)+"/range/none.flac", o)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password shows: %v", err)
	}
	if _, err := source.Open(t.Context(), "http://127.0.0.1:1/x.flac", o); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestHTTPContentThatChangesIsNotMixed(t *testing.T) {
	dir := musicDir(t)
	s := newSite(t, dir)
	src := open(t, s.URL+"/breaks/b.wav", "")
	s.etag.Add(1)
	buf := make([]int32, 8000)
	var err error
	for err == nil {
		_, err = src.Read(buf)
	}
	if !strings.Contains(err.Error(), "changed while it played") {
		t.Errorf("got %v", err)
	}
}

func TestHTTPStopsWithItsContext(t *testing.T) {
	dir := musicDir(t)
	s := newSite(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	src, err := source.Open(ctx, s.URL+"/stalls/b.wav", source.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	buf := make([]int32, 8000)
	for err == nil {
		_, err = src.Read(buf)
	}
	if ctx.Err() == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v", err)
	}
}
