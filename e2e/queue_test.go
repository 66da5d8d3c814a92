package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

type queue struct {
	Items []struct{ ID, URI string }
	Index int
}

func (q queue) uris() (out []string) {
	for _, i := range q.Items {
		out = append(out, i.URI)
	}
	return out
}

// A queue is edited while it plays, by the API and by the command line, and plays on as it
// says; what was heard is in the history.
func TestAQueueIsEditedWhileItPlays(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.MusicFile(t, music, "one.flac", 30, 1)
		two := harness.MusicFile(t, music, "two.flac", 30, 2)
		three := harness.MusicFile(t, music, "three.flac", 30, 3)
		harness.MusicFile(t, music, "four.flac", 30, 4)
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		d := harness.NewDevice(t, "Player", harness.PCM44, harness.DeviceOptions{Buffer: 400_000})
		d.Connect(t, s.Sendspin)
		g := group(t, s, "Hall", approve(t, s, "Player"))
		path := "/api/v1/groups/" + g
		s.Must(t, "POST", path+"/queue", map[string]any{"uris": []string{"one.flac", "two.flac"}}, nil)
		s.Must(t, "POST", path+"/play", nil, nil)
		waitFrames(t, d, 44100)
		inHistory(t, s, "Test Music 1")

		cli := func(args ...string) {
			t.Helper()
			if out, err := s.CLI(args...); err != nil {
				t.Fatalf("tutti %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		cli("queue", "add", "Hall", "three.flac", "--next")
		wantQueue(t, s, g, "one.flac", "three.flac", "two.flac")
		s.Must(t, "POST", path+"/queue", map[string]any{"uris": []string{"four.flac"}, "at": "end"}, nil)
		wantQueue(t, s, g, "one.flac", "three.flac", "two.flac", "four.flac")
		cli("queue", "move", "Hall", "4", "2")
		q := wantQueue(t, s, g, "one.flac", "four.flac", "three.flac", "two.flac")
		s.Must(t, "DELETE", path+"/queue/"+q.Items[1].ID, nil, nil)
		q = wantQueue(t, s, g, "one.flac", "three.flac", "two.flac")
		s.Must(t, "POST", path+"/queue/"+q.Items[2].ID+"/move", map[string]any{"index": 1}, nil)
		q = wantQueue(t, s, g, "one.flac", "two.flac", "three.flac")
		if d.Ended() != 0 || d.Started() != 1 {
			t.Errorf("editing behind what plays sent %d stream/start and %d stream/end", d.Started(), d.Ended())
		}

		d.Forget()
		s.Must(t, "POST", path+"/queue/"+q.Items[2].ID+"/play", nil, nil)
		wantAt(t, d, three, 0)
		d.Forget()
		cli("queue", "play", "Hall", "2")
		wantAt(t, d, two, 0)
		inHistory(t, s, "Test Music 3")
		cli("queue", "clear", "Hall")
		harness.Eventually(t, patience, "the queue is empty but for what plays", func() string {
			var q queue
			if s.Must(t, "GET", path+"/queue", nil, &q); len(q.Items) > 1 {
				return strings.Join(q.uris(), " ")
			}
			return ""
		})
	})
}

// inHistory waits until the group's history has a title: it has sounded.
func inHistory(t *testing.T, s *harness.Server, title string) {
	t.Helper()
	harness.Eventually(t, patience, title+" is in the history", func() string {
		out, err := s.CLI("history", "Hall")
		if err != nil || !strings.Contains(out, title) {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	})
}

func wantQueue(t *testing.T, s *harness.Server, g string, want ...string) (q queue) {
	t.Helper()
	harness.Eventually(t, patience, "the queue is "+strings.Join(want, ", "), func() string {
		if s.Must(t, "GET", "/api/v1/groups/"+g+"/queue", nil, &q); !slices.Equal(q.uris(), want) {
			return strings.Join(q.uris(), ", ")
		}
		return ""
	})
	return q
}
