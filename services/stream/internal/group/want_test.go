package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drive sends until nothing is missing and lists what was sent.
func drive(t told, w want, now int64) (string, told) {
	var out []string
	for range 20 {
		c, after := next(t, w, now)
		if c == nil {
			return strings.Join(out, " "), after
		}
		out = append(out, show(c))
		t = after
	}
	return "endless: " + strings.Join(out, " "), t
}

func show(c *tuttiv1.SessionCommand) string {
	if m := c.GetState().GetMetadata(); m != nil && m.GetTitle() != "" {
		return fmt.Sprintf("state(%s,%d)", m.GetTitle(), m.GetTimestampUs())
	}
	if k := c.GetState().GetColor(); k != nil {
		s := fmt.Sprintf("color(%d,%d)", k.GetPrimary(), k.GetTimestampUs())
		if c.GetState().GetMetadata() != nil {
			s = "state+" + s
		}
		return s
	}
	switch k := c.GetCommand().(type) {
	case *tuttiv1.SessionCommand_Artwork:
		var ids []string
		for _, p := range k.Artwork.GetAlbum() {
			ids = append(ids, p.GetImageId())
		}
		return "artwork(" + strings.Join(ids, ",") + ")"
	case *tuttiv1.SessionCommand_StreamStart:
		return fmt.Sprintf("start(%s,%d)", k.StreamStart.GetRenditionId(), k.StreamStart.GetEpoch())
	case *tuttiv1.SessionCommand_StreamClear:
		return fmt.Sprintf("clear(%d)", k.StreamClear.GetEpoch())
	case *tuttiv1.SessionCommand_StreamEnd:
		return fmt.Sprintf("end(%d)", k.StreamEnd.GetAtUs())
	case *tuttiv1.SessionCommand_VisualStart:
		return fmt.Sprintf("visual(%s,%d)", k.VisualStart.GetRenditionId(), k.VisualStart.GetEpoch())
	case *tuttiv1.SessionCommand_VisualEnd:
		return fmt.Sprintf("dark(%d)", k.VisualEnd.GetAtUs())
	case *tuttiv1.SessionCommand_Player:
		return "player"
	}
	return name(c)
}

func TestNextSendsWhatIsMissing(t *testing.T) {
	info := func(state string) *tuttiv1.GroupInfo { return &tuttiv1.GroupInfo{GroupId: "g", PlaybackState: state} }
	start := func(r string, epoch uint64) *tuttiv1.StreamStart {
		return &tuttiv1.StreamStart{RenditionId: r, Epoch: epoch}
	}
	meta := &tuttiv1.MetadataState{TimestampUs: 1}
	control := &tuttiv1.ControllerState{Volume: 1}
	here := func(s *tuttiv1.StreamStart) want {
		return want{sessionID: "1", group: info("playing"), metadata: meta, controller: control, stream: s}
	}
	type step struct {
		w    want
		now  int64
		sent string
	}
	ended, gone := here(start("flac", 7)), here(nil)
	ended.endAt, gone.endAt = 500, 500 // gone: it can be sent no audio any more
	later := here(start("flac", 7))
	later.endAt = 800
	louder, other := here(nil), here(start("flac", 7))
	louder.volume, louder.mute = order{3, 40, "1"}, order{4, 1, "1"}
	stale := here(nil)
	stale.sessionID, stale.volume = "2", order{3, 40, "1"}
	other.sessionID = "2"
	for name, steps := range map[string][]step{
		"nobody there":             {{want{}, 0, ""}},
		"a new session":            {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {here(start("flac", 7)), 0, ""}},
		"a session that returns":   {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {other, 0, "group start(flac,7) state"}},
		"a seek":                   {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {here(start("flac", 8)), 0, "clear(8)"}},
		"another format":           {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {here(start("pcm", 7)), 0, "start(pcm,7)"}},
		"a seek in another":        {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {here(start("pcm", 8)), 0, "clear(8) start(pcm,8)"}},
		"a pause":                  {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {here(nil), 0, "end(0)"}, {here(nil), 0, ""}, {here(start("flac", 8)), 0, "start(flac,8)"}},
		"the end of the queue":     {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {ended, 100, "end(500)"}, {ended, 400, ""}, {here(start("flac", 8)), 600, "start(flac,8)"}},
		"a clip all of it at once": {{ended, 100, "group start(flac,7) end(500) state"}, {ended, 400, ""}, {ended, 600, ""}, {here(nil), 700, ""}},
		"a clip behind another":    {{here(start("flac", 6)), 0, "group start(flac,6) state"}, {ended, 100, "clear(7) end(500)"}, {ended, 400, ""}},
		"a return before the end":  {{ended, 100, "group start(flac,7) end(500) state"}, {func() want { w := ended; w.sessionID = "2"; return w }(), 400, "group start(flac,7) end(500) state"}},
		"it comes after the end":   {{ended, 500, "group state"}, {ended, 600, ""}},
		"it hears late of the end": {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {ended, 600, "end(500)"}},
		"another end":              {{ended, 100, "group start(flac,7) end(500) state"}, {later, 200, "end(800)"}, {later, 600, ""}},
		"no audio before the end":  {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {gone, 100, "end(500)"}, {gone, 400, ""}},
		"it goes on":               {{ended, 100, "group start(flac,7) end(500) state"}, {here(start("flac", 7)), 200, "start(flac,7)"}},
		"a jump before the end":    {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {ended, 100, "end(500)"}, {here(start("flac", 8)), 400, "clear(8)"}, {here(start("flac", 8)), 600, ""}},
		"a pause before the end":   {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {ended, 100, "end(500)"}, {here(nil), 400, "end(0)"}, {here(nil), 600, ""}},
		"orders are sent once":     {{louder, 0, "group state player player"}, {louder, 0, ""}},
		"orders of a session gone": {{stale, 0, "group state"}, {stale, 0, ""}},
		"leaving":                  {{here(start("flac", 7)), 0, "group start(flac,7) state"}, {want{sessionID: "1", last: true}, 0, "end(0)"}},
		"leaving without a stream": {{here(nil), 0, "group state"}, {want{sessionID: "1", last: true}, 0, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var known told
			for i, s := range steps {
				var sent string
				if sent, known = drive(known, s.w, s.now); sent != s.sent {
					t.Fatalf("step %d: sent %q, want %q", i, sent, s.sent)
				}
			}
		})
	}
}

// TestTitlesAreScheduledAndCancelled plays the rules of scheduled metadata against a
// client that follows them.
func TestTitlesAreScheduledAndCancelled(t *testing.T) {
	meta := func(title string, us int64) *tuttiv1.MetadataState {
		return &tuttiv1.MetadataState{Title: &title, TimestampUs: us}
	}
	at := func(current, coming *tuttiv1.MetadataState) want {
		return want{sessionID: "1", group: &tuttiv1.GroupInfo{}, controller: &tuttiv1.ControllerState{}, metadata: current, coming: coming}
	}
	now, next, other := meta("now", 10), meta("next", 1000), meta("other", 2000)
	type step struct {
		w    want
		now  int64
		sent string
	}
	for name, steps := range map[string][]step{
		"the present comes first":       {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {at(now, next), 200, ""}},
		"its time needs no message":     {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {at(next, nil), 1000, ""}, {at(next, other), 1100, "state(other,2000)"}},
		"a want that is late":           {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {at(now, next), 1500, ""}, {at(next, nil), 1501, ""}},
		"cancelled":                     {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {at(now, nil), 200, "state(now,10)"}, {at(now, nil), 1500, ""}},
		"replaced":                      {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {at(now, other), 200, "state(other,2000)"}},
		"a present change renews both":  {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {at(meta("paused", 300), next), 300, "state(paused,300) state(next,1000)"}},
		"another session knows nothing": {{at(now, next), 100, "group state(now,10) state(next,1000)"}, {func() want { w := at(now, next); w.sessionID = "2"; return w }(), 200, "group state(now,10) state(next,1000)"}},
		"a session that comes after it": {{at(now, next), 1200, "group state(next,1000)"}},
	} {
		t.Run(name, func(t *testing.T) {
			var known told
			for i, s := range steps {
				var sent string
				if sent, known = drive(known, s.w, s.now); sent != s.sent {
					t.Fatalf("step %d: sent %q, want %q", i, sent, s.sent)
				}
			}
		})
	}
}

// TestColorsAndPictures: colors are scheduled and cancelled as titles are; pictures end
// with the role's stream, and nobody is told of what it does not show.
func TestColorsAndPictures(t *testing.T) {
	color := func(rgb uint32, us int64) *tuttiv1.ColorState {
		return &tuttiv1.ColorState{Primary: &rgb, TimestampUs: us}
	}
	pics := func(ids ...string) *tuttiv1.ArtworkShow {
		a := &tuttiv1.ArtworkShow{Active: len(ids) > 0}
		for _, id := range ids {
			a.Album = append(a.Album, &tuttiv1.Picture{ImageId: id})
		}
		return a
	}
	at := func(current, coming *tuttiv1.ColorState, art *tuttiv1.ArtworkShow) want {
		return want{sessionID: "1", group: &tuttiv1.GroupInfo{}, controller: &tuttiv1.ControllerState{}, metadata: &tuttiv1.MetadataState{},
			color: current, comingColor: coming, artwork: art}
	}
	now, next, other := color(1, 10), color(2, 1000), color(3, 2000)
	type step struct {
		w    want
		now  int64
		sent string
	}
	for name, steps := range map[string][]step{
		"colors of now come first":      {{at(now, next, nil), 100, "group state color(1,10) color(2,1000)"}, {at(now, next, nil), 200, ""}},
		"their time needs no message":   {{at(now, next, nil), 100, "group state color(1,10) color(2,1000)"}, {at(next, nil, nil), 1000, ""}, {at(next, other, nil), 1100, "color(3,2000)"}},
		"cancelled":                     {{at(now, next, nil), 100, "group state color(1,10) color(2,1000)"}, {at(now, nil, nil), 200, "color(1,10)"}, {at(now, nil, nil), 1500, ""}},
		"replaced":                      {{at(now, next, nil), 100, "group state color(1,10) color(2,1000)"}, {at(now, other, nil), 200, "color(3,2000)"}},
		"the role comes later":          {{at(nil, nil, nil), 100, "group state"}, {at(now, next, nil), 200, "color(1,10) color(2,1000)"}},
		"pictures":                      {{at(nil, nil, pics("a")), 0, "group state artwork(a)"}, {at(nil, nil, pics("a", "b")), 0, "artwork(a,b)"}, {at(nil, nil, pics("a", "b")), 0, ""}, {at(nil, nil, pics()), 0, "artwork()"}, {at(nil, nil, pics()), 0, ""}},
		"nothing to show":               {{at(nil, nil, pics()), 0, "group state"}},
		"the role goes and comes back":  {{at(nil, nil, pics("a")), 0, "group state artwork(a)"}, {at(nil, nil, nil), 0, ""}, {at(nil, nil, pics("a")), 0, "artwork(a)"}},
		"leaving ends the stream":       {{at(nil, nil, pics("a")), 0, "group state artwork(a)"}, {want{sessionID: "1", last: true}, 0, "artwork()"}},
		"leaving without one":           {{at(nil, nil, pics()), 0, "group state"}, {want{sessionID: "1", last: true}, 0, ""}},
		"another session knows nothing": {{at(now, nil, pics("a")), 0, "group state color(1,10) artwork(a)"}, {func() want { w := at(now, nil, pics("a")); w.sessionID = "2"; return w }(), 0, "group state color(1,10) artwork(a)"}},
	} {
		t.Run(name, func(t *testing.T) {
			var known told
			for i, s := range steps {
				var sent string
				if sent, known = drive(known, s.w, s.now); strings.ReplaceAll(sent, "state+", "state ") != s.sent {
					t.Fatalf("step %d: sent %q, want %q", i, sent, s.sent)
				}
			}
		})
	}
}

// session answers a courier.
type session struct {
	mu   sync.Mutex
	got  []string
	fail map[string][]error // by command: errors before it is taken
}

func (s *session) send(_ context.Context, _ string, c *tuttiv1.SessionCommand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errs := s.fail[name(c)]; len(errs) > 0 {
		s.fail[name(c)] = errs[1:]
		return errs[0]
	}
	s.got = append(s.got, show(c))
	return nil
}

func (s *session) log() string { s.mu.Lock(); defer s.mu.Unlock(); return strings.Join(s.got, " ") }

func until(t *testing.T, what func() string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for reason := what(); reason != ""; reason = what() {
		if time.Now().After(deadline) {
			t.Fatal(reason)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCourierTriesAgain(t *testing.T) {
	conflict, gone := fault.New(fault.Conflict, "no"), fault.New(fault.Unavailable, "nobody there")
	clock := clockwork.NewFakeClock()
	s := &session{fail: map[string][]error{"group": {gone, gone}, "stream_start": {conflict}, "stream_clear": {conflict}, "player": {conflict}}}
	c := &courier{clientID: "c", groupID: "g", fence: 3, send: s.send, house: houseclock.NewManual(1), clock: clock,
		log: slog.New(slog.DiscardHandler), wants: make(chan want, 1), done: make(chan struct{})}
	go c.run(t.Context(), told{})
	w := want{sessionID: "1", group: &tuttiv1.GroupInfo{GroupId: "g"}, metadata: &tuttiv1.MetadataState{}, controller: &tuttiv1.ControllerState{},
		stream: &tuttiv1.StreamStart{RenditionId: "flac", Epoch: 7}, volume: order{1, 30, "1"}}
	c.want(w)
	const all = "group start(flac,7) state"
	until(t, func() string {
		clock.Advance(retryMax)
		if got := s.log(); got != all {
			return "it was sent " + got
		}
		return ""
	})
	// A clear that the session has no stream for becomes a start; a refused volume is
	// not said again.
	w.stream = &tuttiv1.StreamStart{RenditionId: "flac", Epoch: 8}
	c.want(w)
	until(t, func() string {
		clock.Advance(retryMax)
		if got := s.log(); got != all+" start(flac,8)" {
			return "it was sent " + got
		}
		return ""
	})
	// An end that is refused is as good as one that was taken.
	s.mu.Lock()
	s.fail["stream_end"] = []error{conflict}
	s.mu.Unlock()
	c.want(want{sessionID: "1", last: true})
	<-c.done
	if got := s.log(); got != all+" start(flac,8)" {
		t.Error(got)
	}
}

// TestPartingDoesNotWaitForTheDead ends a courier whose session does not answer.
func TestPartingDoesNotWaitForTheDead(t *testing.T) {
	s := &session{fail: map[string][]error{"stream_end": {fault.New(fault.Unavailable, "nobody there")}}}
	c := &courier{clientID: "c", groupID: "g", send: s.send, house: houseclock.NewManual(1), clock: clockwork.NewFakeClock(),
		log: slog.New(slog.DiscardHandler), wants: make(chan want, 1), done: make(chan struct{})}
	go c.run(t.Context(), told{sessionID: "1", stream: &tuttiv1.StreamStart{Epoch: 7}})
	c.want(want{sessionID: "1", last: true})
	<-c.done
}

// A command to a session that does not answer any more, since its gateway died or is cut off,
// keeps nothing from the session that follows.
func TestNobodyWaitsForASessionThatWasReplaced(t *testing.T) {
	asked, ended, told2 := make(chan struct{}), make(chan error, 1), make(chan struct{})
	send := func(ctx context.Context, _ string, c *tuttiv1.SessionCommand) error {
		switch {
		case c.GetSessionId() == "1":
			close(asked)
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		case c.GetStreamStart() != nil:
			close(told2)
		}
		return nil
	}
	c := &courier{clientID: "c", groupID: "g", send: send, house: houseclock.NewManual(1), clock: clockwork.NewFakeClock(),
		log: slog.New(slog.DiscardHandler), wants: make(chan want, 1), done: make(chan struct{})}
	go c.run(t.Context(), told{})
	w := want{sessionID: "1", group: &tuttiv1.GroupInfo{GroupId: "g"}, stream: &tuttiv1.StreamStart{Epoch: 7}}
	c.want(w)
	<-asked
	w.metadata = &tuttiv1.MetadataState{}
	c.want(w) // news for the same session wait for its answer
	w.sessionID = "2"
	c.want(w)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the command to the session that was replaced ended with %v", err)
	}
	<-told2
	c.want(want{sessionID: "2", last: true})
	<-c.done
}
