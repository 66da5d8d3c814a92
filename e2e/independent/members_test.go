package independent

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// testUnapproved: a device that nobody approved has a group but no roles, and
// approval alone changes that.
func testUnapproved(t *testing.T, s *harness.Server, _ library) {
	d := connect(t, s.Sendspin, options{})
	first, mark := d.await("server/activate", 0, isType("server/activate"))
	if len(first.payload["activities"].([]any)) != 0 || len(first.payload["active_roles"].([]any)) != 0 {
		t.Errorf("unapproved: %s", first)
	}
	update, _ := d.await("group/update after the first activation", mark, isType("group/update"))
	if update.payload["playback_state"] != "stopped" || update.payload["group_id"] == "" {
		t.Errorf("unapproved: %s", update)
	}
	harness.Eventually(t, patience, "shown to the operator", func() string {
		c, ok := s.ClientNamed(t, d.o.name)
		if !ok || c.Trust != "unapproved" || len(c.ActiveRoles) != 0 {
			return fmt.Sprintf("the API shows %+v", c)
		}
		if !slices.ContainsFunc(s.Inbox(t), func(w harness.Waiting) bool { return w.ClientID == d.id }) {
			return "not in the inbox"
		}
		return ""
	})
	// State of roles that are not active yet counts for nothing later on.
	d.state(true)
	d.sync(2)
	d.approve(s)
	complete := func(name string) {
		d.await("server/state "+name, mark, func(m msg) bool { return sub(m.payload, name) != nil })
	}
	complete("metadata")
	complete("controller")
	other := ready(t, s, options{})
	g := group(t, s, "Not yet", d, other)
	play(t, s, g, "long.flac")
	other.awaitAudio(1, 0.5)
	d.sync(2)
	if n := d.epoch(); n != 0 {
		t.Error("stream/start before the client/state that the activation requires")
	}
	d.state(true)
	d.awaitAudio(1, 0.5)
}

// testRevoked: revocation ends the stream before the roles go, and a new
// approval begins anew: states are sent again, streams wait for client/state.
func testRevoked(t *testing.T, s *harness.Server, _ library) {
	d, other := ready(t, s, options{}), ready(t, s, options{})
	g := group(t, s, "Revoked", d, other)
	play(t, s, g, "long.flac")
	d.awaitAudio(1, 0.5)
	mark := d.mark()
	s.Must(t, "DELETE", "/api/v1/clients/"+d.id+"/approval", nil, nil)
	d.await("activation without roles", mark, func(m msg) bool {
		l, there := m.payload["active_roles"].([]any)
		return m.typ == "server/activate" && there && len(l) == 0
	})
	d.sync(2)
	d.command("stop") // of a role that is no longer active
	d.state(true)
	d.sync(2)
	continues := len(other.chunks(1))
	mark = d.mark()
	s.Must(t, "POST", "/api/v1/clients/"+d.id+"/approve", obj{}, nil)
	d.await("activation with roles", mark, func(m msg) bool {
		l, _ := m.payload["active_roles"].([]any)
		return m.typ == "server/activate" && len(l) == 3
	})
	d.await("metadata again", mark, func(m msg) bool { return sub(m.payload, "metadata") != nil })
	d.await("controller again", mark, func(m msg) bool { return sub(m.payload, "controller") != nil })
	s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+d.id, nil, nil)
	d.sync(2)
	if d.epoch() != 1 {
		t.Error("stream/start before the client/state that the new activation requires")
	}
	d.state(true)
	d.awaitAudio(2, 0.5)
	harness.Eventually(t, patience, "the other player goes on", func() string {
		if n := len(other.chunks(1)); n <= continues {
			return fmt.Sprint(n, " chunks")
		}
		return ""
	})
	continuous(t, "the other player", other.chunks(1))
}

// testLeaving: client/leave and available: false move the client to a solo group
// that is stopped; the others play on; switch brings it back.
func testLeaving(t *testing.T, s *harness.Server, _ library) {
	a, b, c := ready(t, s, options{}), ready(t, s, options{}), ready(t, s, options{})
	g := group(t, s, "Leaving", a, b, c)
	play(t, s, g, "long.flac")
	for _, d := range []*device{a, b, c} {
		d.awaitAudio(1, 0.5)
	}
	alone := func(d *device, how func()) (solo string) {
		t.Helper()
		mark := d.mark()
		how()
		d.await("stream/end", mark, isType("stream/end"))
		m, _ := d.await("group/update", mark, isType("group/update"))
		if m.payload["group_id"] == g || m.payload["playback_state"] != "stopped" {
			t.Errorf("after leaving: %s", m)
		}
		harness.Eventually(t, patience, "solo by the API", func() string {
			x, _ := s.ClientNamed(t, d.o.name)
			if x.GroupID == "" {
				return "between two groups"
			}
			if members := s.Group(t, x.GroupID).Members; x.GroupID == g || len(members) != 1 {
				return fmt.Sprintf("%+v with %v", x, members)
			}
			return ""
		})
		return m.payload["group_id"].(string)
	}
	alone(a, func() { a.send("client/leave", obj{}) })
	alone(b, func() { b.state(false) })

	// Back to available: nothing starts by itself.
	mark := b.mark()
	b.state(true)
	b.sync(3)
	for _, m := range b.since(mark) {
		if m.typ == "stream/start" || m.typ == "group/update" && m.payload["group_id"] == g {
			t.Errorf("the server rejoined a client that became available: %s", m)
		}
	}
	// switch prefers the previous group.
	for _, d := range []*device{a, b} {
		mark := d.mark()
		d.command("switch")
		d.await("group/update of the previous group", mark, func(m msg) bool {
			return m.typ == "group/update" && m.payload["group_id"] == g && m.payload["playback_state"] == "playing"
		})
		d.awaitAudio(2, 0.5)
	}
	if n := c.epoch(); n != 1 {
		t.Errorf("the one that stayed got %d starts", n)
	}
	continuous(t, "the one that stayed", c.chunks(1))

	// In a solo group: stopped, and told so.
	solo := alone(a, func() { a.send("client/leave", obj{}) })
	play(t, s, solo, "long.flac")
	a.awaitAudio(3, 0.3)
	mark = a.mark()
	a.state(false)
	a.await("stream/end", mark, isType("stream/end"))
	m, _ := a.await("group/update stopped", mark, isType("group/update"))
	if m.payload["playback_state"] != "stopped" || m.payload["group_id"] != solo {
		t.Errorf("solo and unavailable: %s", m)
	}
	a.sync(3)
	// Nothing starts while it is unavailable, whatever the operator wants.
	mark = a.mark()
	_ = s.Do("POST", "/api/v1/groups/"+solo+"/play", obj{"uri": "long.flac"}, nil)
	a.sync(3)
	for _, m := range a.since(mark) {
		if m.typ == "stream/start" {
			t.Errorf("%s while unavailable", m)
		}
	}
}

// testReplaced: a second connection of the same client replaces the first, and
// starts from nothing: no stream before its own client/state.
func testReplaced(t *testing.T, s *harness.Server, _ library) {
	old, other := ready(t, s, options{}), ready(t, s, options{})
	g := group(t, s, "Replaced", old, other)
	play(t, s, g, "long.flac")
	old.awaitAudio(1, 0.3)
	fresh := connect(t, s.Sendspin, old.o)
	old.awaitClosed("a second connection of the same client")
	_, mark := fresh.await("server/activate", 0, isType("server/activate"))
	// A session that is not told of its group within a second says that it is alone.
	fresh.await("group/update of the group that plays", mark, func(m msg) bool {
		return m.typ == "group/update" && m.payload["group_id"] == g && m.payload["playback_state"] == "playing"
	})
	fresh.await("metadata", mark, func(m msg) bool { return sub(m.payload, "metadata")["title"] != nil })
	fresh.await("controller", mark, func(m msg) bool { return sub(m.payload, "controller") != nil })
	// Neither a stream nor a command rests on what the old connection said.
	s.Must(t, "POST", "/api/v1/groups/"+g+"/volume", obj{"volume": 20}, nil)
	other.await("server/command", 0, isType("server/command"))
	fresh.sync(4)
	if fresh.epoch() != 0 {
		t.Error("stream/start before client/state")
	}
	fresh.state(true)
	joined := fresh.awaitAudio(1, 0.3)
	sane(t, "reconnected", joined)
	continuous(t, "the other", other.chunks(1))
}
