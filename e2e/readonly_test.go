package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// In a container nothing but the data directory can be written to. A server that knows no
// ranges is the one thing that needs room for files while Tutti runs.
func TestNothingButTheDataDirectoryIsWritten(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		want := harness.MusicFile(t, music, "song.wav", 3, 7)
		data, err := os.ReadFile(filepath.Join(music, "song.wav"))
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "audio/wav")
			_, _ = w.Write(data) // whatever part was asked for
		}))
		t.Cleanup(web.Close)
		// No folder can be made below a file, not even by root.
		s := harness.StartServer(t, mode, harness.Options{Env: []string{"TMPDIR=" + filepath.Join(music, "song.wav", "tmp")}})
		d := harness.NewDevice(t, "Container", harness.PCM44, harness.DeviceOptions{})
		d.Connect(t, s.Sendspin)
		g := group(t, s, "Harbour", approve(t, s, d.Name))
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": web.URL + "/song.wav"}, nil)
		harness.Eventually(t, patience, "the song is heard", func() string {
			if d.Ended() == 0 {
				return "no stream/end yet"
			}
			return ""
		})
		_, got, err := harness.Joined(d.Spans(), 44100, 2)
		if err != nil || len(got) != len(want) || harness.FirstDifference(got, want) >= 0 {
			t.Errorf("%d samples were heard, %v; want the song's %d", len(got), err, len(want))
		}
	})
}
