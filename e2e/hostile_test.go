package e2e

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// Nothing outside of the music folder is listed, shown, played or announced: by paths that
// climb, in every form that a URL or a program may decode once more, by links that lead
// out, by file: addresses, and by playlists.
func TestNothingOutsideTheMusicFolder(t *testing.T) {
	base := t.TempDir()
	music, outside := filepath.Join(base, "music"), filepath.Join(base, "outside")
	for _, dir := range []string{music, outside, filepath.Join(music, "Album")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	harness.MusicFile(t, music, "inside.flac", 2, 1)
	harness.MusicFile(t, filepath.Join(music, "Album"), "one.flac", 2, 2)
	harness.MusicFile(t, outside, "secret.flac", 2, 3)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(outside, "cover.jpg"), []byte("secret picture"), 0o644))
	must(os.Symlink(outside, filepath.Join(music, "door")))
	must(os.Symlink(filepath.Join(outside, "secret.flac"), filepath.Join(music, "link.flac")))
	must(os.Symlink("../outside/secret.flac", filepath.Join(music, "relative.flac")))
	must(os.Symlink("/", filepath.Join(music, "Album", "root")))
	must(os.WriteFile(filepath.Join(music, "out.m3u"), []byte("../outside/secret.flac\ndoor/secret.flac\nfile://"+outside+"/secret.flac\n/etc/passwd\n"), 0o644))

	s := harness.StartServer(t, "embedded", harness.Options{Music: music})
	g := group(t, s, "Bar")
	queue := "/api/v1/groups/" + g + "/queue"
	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Base+path, nil)
		must(err)
		req.Header.Set("Authorization", "Bearer "+s.Token)
		resp, err := http.DefaultClient.Do(req)
		must(err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		must(err)
		return resp.StatusCode, string(b)
	}
	leaks := func(body string) bool {
		for _, x := range []string{"secret.flac\",\"path", "secret picture", "root:x:", "\"etc\"", "passwd\",\"path"} {
			if strings.Contains(body, x) {
				return true
			}
		}
		return false
	}
	// What is inside is there: else the refusals below would prove nothing.
	if code, body := get("/api/v1/library?path=Album"); code != http.StatusOK || !strings.Contains(body, "one.flac") {
		t.Fatalf("the album: %d %s", code, body)
	}
	s.Must(t, "POST", queue, map[string]any{"uris": []string{"inside.flac"}}, nil)

	folders := []string{"..", "../outside", "Album/../../outside", "/", "/etc", "//etc", "./../outside", "....//outside", `..\outside`, "door", "door/", "Album/root", "Album/root/etc",
		"%2e%2e/outside", "..%2foutside", "%252e%252e%252foutside", "..%c0%afoutside", "../outside\x00", "Album/\x00/../../outside", outside}
	files := []string{"link.flac", "relative.flac", "file:///etc/passwd", "file:../outside/secret.flac", "file://" + outside + "/secret.flac", "FILE://" + outside + "/secret.flac"}
	for _, f := range folders {
		files = append(files, strings.TrimSuffix(f, "/")+"/secret.flac")
	}
	for _, f := range folders {
		for _, q := range []string{url.QueryEscape(f), url.QueryEscape(url.QueryEscape(f))} {
			for _, path := range []string{"/api/v1/library?path=" + q, "/api/v1/library/artwork?path=" + q} {
				code, body := get(path)
				if f == "/" && code == http.StatusOK && strings.Contains(body, `"inside.flac"`) && !leaks(body) {
					continue // the root of the music folder
				}
				if code == http.StatusOK && strings.Contains(path, "artwork") || code >= 500 || leaks(body) || code == http.StatusOK && strings.Contains(body, `"entries":[{`) {
					t.Errorf("GET %s: %d %.200s", path, code, body)
				}
			}
		}
	}
	var taken []string // announcements, which are read later
	for _, f := range files {
		for _, q := range []string{url.QueryEscape(f), url.QueryEscape(url.QueryEscape(f))} {
			if code, body := get("/api/v1/library/artwork?path=" + q); code == http.StatusOK || code >= 500 || leaks(body) {
				t.Errorf("the cover of %q: %d %.200s", f, code, body)
			}
		}
		for path, body := range map[string]any{
			"/api/v1/groups/" + g + "/play": map[string]any{"uri": f}, queue: map[string]any{"uris": []string{f}}, "/api/v1/groups/" + g + "/announce": map[string]any{"uri": f},
		} {
			var said struct {
				AnnouncementID string `json:"announcement_id"`
			}
			err := s.Do("POST", path, body, &said)
			st, refused := err.(*harness.Status)
			if strings.HasSuffix(path, "/announce") && err == nil {
				taken = append(taken, said.AnnouncementID)
				continue
			}
			if !refused || st.Code < 400 || st.Code >= 500 || leaks(st.Body) {
				t.Errorf("POST %s %q: %v", path, f, err)
			}
		}
	}
	// A playlist that leads out adds nothing from there.
	_ = s.Do("POST", queue, map[string]any{"uris": []string{"out.m3u"}}, nil)
	var q struct{ Items []struct{ URI, Title string } }
	s.Must(t, "GET", queue, nil, &q)
	for _, it := range q.Items {
		if it.URI != "inside.flac" {
			t.Errorf("the queue holds %+v", it)
		}
	}
	for _, id := range taken {
		harness.Eventually(t, patience, "the announcement fails", func() string {
			var v struct{ State, Error string }
			s.Must(t, "GET", "/api/v1/groups/"+g+"/announcements/"+id, nil, &v, http.StatusNotFound)
			if v.State != "failed" && v.State != "" { // or pushed out by younger ones that failed
				return "it is " + v.State
			}
			return ""
		})
	}
	// The console's own files are no way out either.
	for _, path := range []string{"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2f..%2fetc%2fpasswd", "/assets/%2e%2e%2f%2e%2e%2fetc/passwd", "/docs/..%2f..%2fetc%2fpasswd"} {
		if code, body := get(path); leaks(body) || code >= 500 {
			t.Errorf("GET %s: %d %.200s", path, code, body)
		}
	}
}
