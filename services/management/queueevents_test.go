package management_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// inFeed is the queue that an event carries.
func inFeed(t *testing.T, e event) (q model.Queue) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.data), &q); err != nil {
		t.Fatal(err)
	}
	return q
}

// TestQueueIsInTheFeed: whoever changes a queue, every reader gets what the GET returns.
func TestQueueIsInTheFeed(t *testing.T) {
	w := newWorld(t)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated)).GroupID
	queue := "/api/v1/groups/" + g + "/queue"
	l := w.listen("")
	said := func(what, text string) {
		t.Helper()
		fed, got := inFeed(t, l.next("queue.updated", text)), decode[model.Queue](w.get(queue))
		if !reflect.DeepEqual(fed, got) {
			t.Errorf("%s: fed %+v, GET %+v", what, fed, got)
		}
	}
	q := decode[model.Queue](w.post(queue, `{"uris":["a.flac","b.flac"]}`).want(http.StatusOK))
	said("enqueue", "b.flac")
	first, second := q.Items[0].ID, q.Items[1].ID
	w.post(queue+"/"+second+"/move", `{"index":0}`).want(http.StatusOK)
	said("move", `"items":[{"id":"`+second)
	w.delete(queue + "/" + first).want(http.StatusOK)
	said("remove", `"items":[{"id":"`+second+`","uri":"b.flac"}]`)
	w.delete(queue).want(http.StatusOK)
	said("clear", `"items":[],"index":-1`)

	// By something that is not the API: the next title, and a tag that was read late.
	change := func(how func(*pb.Group)) {
		t.Helper()
		if _, err := w.fakes.changeGroup(t.Context(), g, func(g *pb.Group) error { how(g); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	change(func(g *pb.Group) {
		g.Queue, g.QueueIndex = []*pb.QueueItem{{Id: "x", Uri: "x.mp3"}, {Id: "y", Uri: "y.mp3"}}, 0
	})
	said("from elsewhere", "x.mp3")
	change(func(g *pb.Group) { g.QueueIndex = 1 })
	said("the next title", `"index":1`)
	change(func(g *pb.Group) { g.Queue[1].Title = "Why" })
	said("a title's name", `"title":"Why"`)

	// What is written all the while that music plays is no change of the queue.
	change(func(g *pb.Group) { g.Volume = 41 })
	change(func(g *pb.Group) { g.Volume, g.PositionMs = 42, 1000 })
	for {
		e := l.any()
		if e.kind == "queue.updated" {
			t.Errorf("the queue did not change: %s", e.data)
		}
		if e.kind == "group.updated" && strings.Contains(e.data, `"volume":42`) {
			break
		}
	}
}

// TestQueueEventsResume: who comes back hears of each queue that changed once, as it is.
func TestQueueEventsResume(t *testing.T) {
	w := newWorld(t)
	create := func(name string) string {
		return decode[model.Group](w.post("/api/v1/groups", `{"name":"`+name+`"}`).want(http.StatusCreated)).GroupID
	}
	a, b := create("A"), create("B")
	l := w.listen("")
	w.post("/api/v1/groups/"+a+"/queue", `{"uris":["first.flac"]}`).want(http.StatusOK)
	l.next("queue.updated", "first.flac")
	l.close()
	for _, uri := range []string{"second.flac", "third.flac", "fourth.flac"} {
		w.post("/api/v1/groups/"+a+"/queue", `{"uris":["`+uri+`"]}`).want(http.StatusOK)
	}
	w.post("/api/v1/groups/"+b+"/queue", `{"uris":["other.flac"]}`).want(http.StatusOK)
	w.patch("/api/v1/server", `{"name":"Neu"}`).want(http.StatusOK)
	back, count := w.listen(l.lastID), map[string]int{}
	// An instance's first words that it is there, or ready, change the server as well.
	for e := back.any(); e.kind != "server.updated" || !strings.Contains(e.data, `"Neu"`); e = back.any() {
		if e.kind != "queue.updated" {
			continue
		}
		q := inFeed(t, e)
		count[q.GroupID]++
		if want := decode[model.Queue](w.get("/api/v1/groups/" + q.GroupID + "/queue")); !reflect.DeepEqual(q, want) {
			t.Errorf("after coming back: %+v, GET %+v", q, want)
		}
	}
	if count[a] != 1 || count[b] != 1 {
		t.Errorf("queue.updated came %d times for A and %d times for B, want once each", count[a], count[b])
	}
}

// TestQueueEventsOfOnesZones: nobody hears of what another zone will play.
func TestQueueEventsOfOnesZones(t *testing.T) {
	z := newZones(t)
	l := z.listenWith("", "Cookie", z.anna.cookie)
	z.post("/api/v1/groups/"+z.b+"/queue", `{"uris":["theirs.flac"]}`).want(http.StatusOK)
	z.post("/api/v1/groups/"+z.a+"/queue", `{"uris":["ours.flac"]}`).want(http.StatusOK)
	for {
		e := l.any()
		if strings.Contains(e.data, "theirs.flac") {
			t.Errorf("heard %s: %s", e.kind, e.data)
		}
		if e.kind == "queue.updated" && strings.Contains(e.data, "ours.flac") {
			return
		}
	}
}
