package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// Fleet is the players and the groups that they are in.
type Fleet struct {
	Players []*Player
	Groups  []string // ids; Player.Group is an index
	Live    *Live    // nil without a line-in
	sheet   sheet
}

// dialIn is how many players there are for each one that dials in by itself: the others
// wait to be dialled.
const dialIn = 5

// NewFleet makes players on the devices' host, spread over groups.
func NewFleet(t testing.TB, n *Network, players, groups int) *Fleet {
	t.Helper()
	f := &Fleet{Groups: make([]string, groups)}
	gateways := frontOfGateways(t, n)
	f.Live = NewLive(t, n, gateways, 2)
	for i := range players {
		p := NewPlayer(t, fmt.Sprintf("Room %02d", i+1), i%groups)
		if i%dialIn == dialIn-1 {
			p.Dial(t, gateways)
		} else {
			p.Listen(t, n.Devices.IP+":"+strconv.Itoa(20_001+i))
		}
		f.Players = append(f.Players, p)
	}
	t.Cleanup(func() {
		for _, p := range f.all() {
			for _, b := range p.Broken() {
				t.Errorf("%s: the server broke a rule: %s", p.Name, b)
				break
			}
		}
	})
	return f
}

// all players, those of the line-in too.
func (f *Fleet) all() []*Player {
	if f.Live == nil {
		return f.Players
	}
	return slices.Concat(f.Players, f.Live.Players)
}

// Addresses of the players that listen.
func (f *Fleet) Addresses() []string {
	var out []string
	for _, p := range f.all() {
		if p.URL != "" {
			out = append(out, p.URL)
		}
	}
	return out
}

// Admit approves every player, and pairs every tenth: its key is a record that may not be lost.
func (f *Fleet) Admit(t testing.TB, c *Cluster) {
	t.Helper()
	done := map[string]bool{}
	harness.Eventually(t, patience, "all players are approved", func() string {
		for _, w := range c.Inbox(t) {
			if !done[w.ClientID] && w.ClientID != f.Live.Source.ID() {
				c.Must(t, "POST", "/api/v1/clients/"+w.ClientID+"/approve", nil, nil)
				done[w.ClientID] = true
			}
		}
		if n := f.playing(c.Clients(t)); n < len(f.all()) {
			return fmt.Sprintf("%d of %d have the player's role", n, len(f.all()))
		}
		return ""
	})
	for i, p := range f.Players {
		if i%paired != 0 {
			continue
		}
		path := "/api/v1/clients/" + p.Client.ID() + "/pairing"
		c.Must(t, "POST", path, map[string]any{"method": "pairing_psk", "token": p.Client.PairingToken()}, nil)
		harness.Eventually(t, patience, p.Name+" is paired", func() string {
			var at struct{ State string }
			c.Must(t, "GET", path, nil, &at)
			if at.State != "paired" {
				return at.State
			}
			return ""
		})
	}
}

// paired is how many players there are for each one that is paired.
const paired = 10

func (f *Fleet) playing(clients []harness.Client) int {
	n := 0
	for _, cl := range clients {
		if trusted(cl) && cl.Connected && slices.Contains(cl.ActiveRoles, "player@v1") && cl.Available != nil && *cl.Available {
			n++
		}
	}
	return n
}

// Play makes the groups and starts the titles in each.
func (f *Fleet) Play(t testing.TB, c *Cluster, titles []string, seconds int) {
	t.Helper()
	f.sheet = sheet{perTitle: int64(seconds) * rate}
	for i := range f.Groups {
		var members []string
		for _, p := range f.Players {
			if p.Group == i {
				members = append(members, p.Client.ID())
			}
		}
		var g harness.Group
		c.Must(t, "POST", "/api/v1/groups", map[string]any{"name": fmt.Sprintf("Floor %d", i+1), "members": members}, &g)
		f.Groups[i] = g.GroupID
		c.Must(t, "POST", "/api/v1/groups/"+g.GroupID+"/queue", map[string]any{"uris": titles}, nil)
		c.Must(t, "POST", "/api/v1/groups/"+g.GroupID+"/play", nil, nil)
	}
	f.Live.Play(t, c)
	f.AwaitSteady(t)
}

// AwaitSteady waits until every player has heard music without a gap for a second and has
// more than half its buffer ahead.
func (f *Fleet) AwaitSteady(t testing.TB) {
	t.Helper()
	harness.Eventually(t, patience, "every player has music", func() string { return f.unsteady(t) })
}

// unsteady says why the players do not all have music; "" when they have.
func (f *Fleet) unsteady(t testing.TB) string {
	t.Helper()
	if thin := f.Thin(BufferSeconds * time.Second / 2); thin != "" {
		return thin
	}
	now := nowUS()
	each, _ := f.Hear(t, now-1_000_000, now)
	for i, h := range each {
		if h.Silence > 0 {
			return fmt.Sprintf("%s was silent for %d ms of the last second", f.Players[i].Name, h.Total/1000)
		}
	}
	if live, _ := f.Live.Silence(f.offset(t), now-1_000_000, now); live > 0 {
		return fmt.Sprintf("the line-in's players were silent for %s of the last second", live)
	}
	return ""
}

// hearsLive reports whether the line-in's players heard it for all of the last d.
func (f *Fleet) hearsLive(t testing.TB, d time.Duration) bool {
	now := nowUS()
	silent, _ := f.Live.Silence(f.offset(t), now-d.Microseconds(), now)
	return silent == 0
}

// Mend brings the fleet back to where it can be tested when it does not come back by
// itself: everything is ordered to play again. It returns why that was needed, "" when it
// was not.
func (f *Fleet) Mend(t testing.TB, c *Cluster) (why string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; wait(200 * time.Millisecond) {
		if why = f.unsteady(t); why == "" {
			return ""
		}
		if time.Now().After(limit) {
			break
		}
	}
	t.Logf("the players do not have their music back (%s): everything is stopped and played again", why)
	for _, id := range append(slices.Clone(f.Groups), f.Live.group) {
		for _, verb := range []string{"stop", "play"} {
			if err := c.Do("POST", "/api/v1/groups/"+id+"/"+verb, nil, nil); err != nil {
				t.Logf("%s %s: %v", verb, id, err)
			}
		}
	}
	for limit := time.Now().Add(patience); time.Now().Before(limit); wait(200 * time.Millisecond) {
		if f.unsteady(t) == "" {
			return why
		}
	}
	t.Errorf("the players do not have their music although everything was played again: %s", f.unsteady(t))
	return why
}

// Thin names the player with the least music ahead if that is less than want; "" when
// all have it.
func (f *Fleet) Thin(want time.Duration) string {
	least, who, n := int64(1<<62), "", 0
	for _, p := range f.Players {
		a := p.Ahead()
		if a < want.Microseconds() {
			n++
		}
		if a < least {
			least, who = a, p.Name
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d players have less than %s ahead; %s has %d ms", n, len(f.Players), want, who, least/1000)
}

// offset is house time minus nowUS, as most players have it: all are on one kernel, so
// it is one number, and a player whose filter is new must not spoil it.
func (f *Fleet) offset(t testing.TB) int64 {
	t.Helper()
	var all []int64
	for _, p := range f.Players {
		if off, ok := p.offset(); ok {
			all = append(all, off)
		}
	}
	if len(all) == 0 {
		t.Fatal("no player knows the house clock")
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// Hear judges all players between two moments of nowUS.
func (f *Fleet) Hear(t testing.TB, from, to int64) (each []Heard, twoOwners int) {
	t.Helper()
	off := f.offset(t)
	heard := make([][][]span, len(f.Groups))
	for _, p := range f.Players {
		pieces := p.Pieces(from + off)
		each = append(each, f.sheet.hear(pieces, off, from+off, to+off))
		heard[p.Group] = append(heard[p.Group], f.sheet.played(pieces, off, true))
	}
	for _, g := range heard {
		twoOwners += conflicts(g, from+off, to+off)
	}
	return each, twoOwners
}
