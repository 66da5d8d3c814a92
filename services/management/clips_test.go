package management_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// wave is the beginning of a WAV file, and silence.
func wave(n int) string {
	return "RIFF\x00\x00\x00\x00WAVEfmt " + strings.Repeat("\x00", n-16)
}

// TestClipsAreTakenAndKept for an hour, whole, and can be announced.
func TestClipsAreTakenAndKept(t *testing.T) {
	w := newWorld(t)
	sent := wave(3 << 20) // more than a body of JSON may have
	c := decode[model.Clip](w.do("POST", "/api/v1/clips", adminToken, sent, "Content-Type", "audio/webm;codecs=opus").want(http.StatusCreated))
	if c.Size != int64(len(sent)) || !strings.HasPrefix(c.URI, subject.ClipScheme) {
		t.Errorf("clip: %+v", c)
	}
	if left := time.Until(c.ExpiresAt); left < 50*time.Minute || left > time.Hour {
		t.Errorf("it expires in %v", left)
	}
	got, err := w.bus.Objects(subject.StoreClips).Get(t.Context(), strings.TrimPrefix(c.URI, subject.ClipScheme), 16<<20)
	if err != nil || !bytes.Equal(got, []byte(sent)) {
		t.Errorf("%d bytes are kept of %d, %v", len(got), len(sent), err)
	}
	again := decode[model.Clip](w.do("POST", "/api/v1/clips", adminToken, sent, "Content-Type", "application/octet-stream").want(http.StatusCreated))
	if again.URI == c.URI {
		t.Error("two clips have one address")
	}
}

func TestWhatIsNoClipIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, x := range []struct{ kind, body, want string }{
		{"text/html", wave(100), "send audio/"},
		{"", wave(100), "send audio/"},
		{"audio/wav", "<!DOCTYPE html><html><script>alert(1)</script>", "text/html"},
		{"audio/mpeg", "\x89PNG\x0D\x0A\x1A\x0A" + strings.Repeat("\x00", 100), "image/png"},
	} {
		p := w.do("POST", "/api/v1/clips", adminToken, x.body, "Content-Type", x.kind).problem(http.StatusUnprocessableEntity)
		if !strings.Contains(p.Detail, x.want) {
			t.Errorf("%q of %q: %s", x.body[:min(len(x.body), 8)], x.kind, p.Detail)
		}
	}
	if p := w.do("POST", "/api/v1/clips", adminToken, "", "Content-Type", "audio/wav").problem(http.StatusBadRequest); strings.Contains(p.Detail, "JSON") {
		t.Errorf("no body: %s", p.Detail)
	}
	// Nobody without the right to play may send megabytes.
	w.do("POST", "/api/v1/clips", "", wave(100), "Content-Type", "audio/wav").problem(http.StatusUnauthorized)
	viewer := decode[model.NewToken](w.post("/api/v1/tokens", `{"name":"eyes","role":"viewer"}`).want(http.StatusCreated))
	w.do("POST", "/api/v1/clips", viewer.Secret, wave(100), "Content-Type", "audio/wav").problem(http.StatusForbidden)
}

// TestAClipThatIsTooLargeIsRefused, whether or not it says its length.
func TestAClipThatIsTooLargeIsRefused(t *testing.T) {
	w := newWorld(t)
	large := wave(16<<20 + 1)
	p := w.do("POST", "/api/v1/clips", adminToken, large, "Content-Type", "audio/wav").problem(http.StatusRequestEntityTooLarge)
	if !strings.Contains(p.Detail, "16 MiB") {
		t.Errorf("detail: %s", p.Detail)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v1/clips", io.MultiReader(strings.NewReader(large)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "audio/wav")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(b), "16 MiB") {
		t.Errorf("without a length: %d %s", resp.StatusCode, b)
	}
	w.do("POST", "/api/v1/clips", adminToken, wave(16<<20), "Content-Type", "audio/wav").want(http.StatusCreated)
	// JSON stays as small as it was.
	if p := w.post("/api/v1/groups", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`).problem(http.StatusRequestEntityTooLarge); !strings.Contains(p.Detail, " 1 MiB") {
		t.Errorf("JSON: %s", p.Detail)
	}
}

func TestTooManyClipsAreRefused(t *testing.T) {
	w := newWorld(t)
	big := wave(16 << 20)
	for range 10 {
		if r := w.do("POST", "/api/v1/clips", adminToken, big, "Content-Type", "audio/wav"); r.status != http.StatusCreated {
			p := r.problem(http.StatusConflict)
			if !strings.Contains(p.Detail, "no room for another clip") {
				t.Errorf("detail: %s", p.Detail)
			}
			return
		}
	}
	t.Error("there is no bound")
}

// TestClipsAreAnnouncedAndNothingElse: they are no music, and one that is not there is
// named at once.
func TestClipsAreAnnouncedAndNothingElse(t *testing.T) {
	w := newWorld(t)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"Bar"}`).want(http.StatusCreated)).GroupID
	c := decode[model.Clip](w.do("POST", "/api/v1/clips", adminToken, wave(1000), "Content-Type", "audio/wav").want(http.StatusCreated))
	w.post("/api/v1/groups/"+g+"/announce", map[string]string{"uri": c.URI}).want(http.StatusAccepted)
	p := w.post("/api/v1/groups/"+g+"/announce", map[string]string{"uri": "clip:gone"}).problem(http.StatusUnprocessableEntity)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.uri" || !strings.Contains(p.Detail, "no clip \"gone\"") {
		t.Errorf("unknown: %+v", p)
	}
	w.post("/api/v1/groups/"+g+"/announce", map[string]string{"uri": "clip:../x"}).problem(http.StatusUnprocessableEntity)
	for path, body := range map[string]any{"play": map[string]any{"uri": c.URI}, "queue": map[string]any{"uris": []string{c.URI}}} {
		p := w.post("/api/v1/groups/"+g+"/"+path, body).problem(http.StatusUnprocessableEntity)
		if !strings.Contains(p.Detail, "announcements alone") {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
}
