// Package director owns which groups exist and who is in them.
//
// There is one director in the deployment (lease "director"). Every client with a
// session and roles is in exactly one group: without another one, in a solo group.
// Named groups last, and so do their members: a client that is away stays a member and
// takes part again when it returns. The active device of a persona holds its place for
// the persona (personas.go).
//
// A solo group is made for one client and ends with its last member. Others may come by
// the switch command while it plays; it has the name of its first member, and when that
// one leaves, the next one's: the others' music goes on.
//
// The director makes a group's record and tells its actor who its members are; from
// then on the actor alone writes the record. A client is taken out of its old group
// before it is put into the next one, so that a crash in between leaves it without a
// group, which the next director mends, and never in two.
package director

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// Bucket is where groups are kept. bus.Bucket is one.
type Bucket interface {
	Create(ctx context.Context, key string, g *tuttiv1.Group) (uint64, error)
}

// Tuning is what the operator set for the clients. tuning.Keeper is one.
type Tuning interface {
	Move(ctx context.Context, from, to string) error
}

// Clients tells who is there. presence.Hub is one.
type Clients interface {
	Get(id string) *tuttiv1.ClientPresence
	All() map[string]*tuttiv1.ClientPresence
}

// Deps are what the director works with.
type Deps struct {
	Groups  Bucket
	Seats   Seats
	Tuning  Tuning
	Clients Clients
	// Ask sends a command to a group's actor, and makes it run when it does not.
	Ask func(ctx context.Context, c *tuttiv1.GroupCommand) (*tuttiv1.Group, error)
	// Activate makes a group's actor run somewhere.
	Activate func(ctx context.Context, id string) error
	NewID    func() string
	Log      *slog.Logger
}

// entry is a group as the director knows it.
type entry struct {
	id, name string
	solo     bool
	playing  bool
	members  []string
	memory   memory
	assigned []string // clients that are at home here (homes.go)
	known    bool     // the record says so
	limit    *int32   // the cap of its quiet hours, as its actor last wrote; nil: none
	applied  []string // ids of commands that were carried out, as its actor last wrote
}

// cause is the command of a client that is being carried out. The group that it brings the client
// to keeps its id: the next director, which may be sent the command again, finds it there.
type cause struct{ client, id string }

// of is the id when it brings the client to these members; else "".
func (c cause) of(members []string) string {
	if c.id == "" || !slices.Contains(members, c.client) {
		return ""
	}
	return c.id
}

// memory is the previous group of a client that was moved into a solo group because it
// left or became unavailable (specification, Previous group priority). It is true as
// long as the client stays there.
type memory struct{ client, group string }

// Director is the director's state; it belongs to one goroutine.
type Director struct {
	Deps
	groups    map[string]*entry
	where     map[string]*entry // by client id
	home      map[string]*entry // by client id, of those that have one
	available map[string]availability
	personas  map[string]*tuttiv1.Persona // endpoints, by id
	seats     map[string]string           // by persona: the active device that was given its place
	cause     cause
}

// availability is what a client last said on a session.
type availability struct {
	session   string
	available bool
}

// New returns a director that knows these groups.
func New(d Deps, groups []*tuttiv1.Group) *Director {
	x := &Director{Deps: d, groups: map[string]*entry{}, where: map[string]*entry{}, home: map[string]*entry{}, available: map[string]availability{},
		personas: map[string]*tuttiv1.Persona{}, seats: map[string]string{}}
	for _, g := range groups {
		e := &entry{id: g.GetGroupId(), name: g.GetName(), solo: g.GetSolo(), playing: g.GetPlaybackState() == "playing",
			memory: memory{g.GetPreviousClientId(), g.GetPreviousGroupId()}, applied: g.GetAppliedCommands()}
		x.groups[e.id] = e
		x.set(e, slices.Clone(g.GetMembers()))
	}
	x.settled(groups)
	return x
}

// set makes a group's members be these, in the director's own books.
func (d *Director) set(e *entry, members []string) {
	for _, id := range e.members {
		if d.where[id] == e {
			delete(d.where, id)
		}
	}
	e.members = members
	for _, id := range members {
		d.where[id] = e
	}
}

// IDs lists the groups that exist.
func (d *Director) IDs() []string {
	out := make([]string, 0, len(d.groups))
	for id := range d.groups {
		out = append(out, id)
	}
	return out
}

// Begin mends what the last director left undone, and gives every client a group.
func (d *Director) Begin(ctx context.Context) {
	seen := map[string]*entry{}
	for _, g := range d.sorted() {
		for _, id := range slices.Clone(g.members) {
			old := seen[id]
			switch {
			case old == nil:
				seen[id] = g
			case old.solo: // named groups come last in sorted, and win
				d.repair(ctx, old, id)
				seen[id] = g
			default:
				d.repair(ctx, g, id)
			}
		}
		if g.solo && len(g.members) == 0 {
			d.repair(ctx, g, "")
		}
	}
	for _, g := range d.sorted() { // what was in two groups
		d.set(g, g.members)
	}
	d.adopt(ctx)
	for id := range d.Clients.All() {
		d.Presence(ctx, id) // also remembers who is available
	}
}

func (d *Director) repair(ctx context.Context, g *entry, client string) {
	d.Log.Warn("membership repaired", obs.KeyGroup, g.id, obs.KeyClient, client)
	if err := d.remove(ctx, g, client); err != nil {
		d.Log.Warn("membership cannot be repaired", obs.KeyGroup, g.id, obs.KeyClient, client, obs.KeyErr, err)
	}
}

// sorted lists the groups: solo ones first, then by id.
func (d *Director) sorted() []*entry {
	out := make([]*entry, 0, len(d.groups))
	for _, g := range d.groups {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *entry) int {
		if a.solo != b.solo {
			if a.solo {
				return -1
			}
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	return out
}

// Presence takes news of a client: it gets a group when it needs one, and leaves one
// when it was taken over by something else.
func (d *Director) Presence(ctx context.Context, id string) {
	p := d.Clients.Get(id)
	if e := d.of(id); p == nil && e != nil && e.solo {
		// Its record was removed: it was forgotten, and its solo group with it.
		if err := d.remove(ctx, e, id); err != nil {
			d.Log.Warn("a forgotten client stays in its solo group", obs.KeyGroup, e.id, obs.KeyErr, err)
		}
	}
	if !presence.Active(p) {
		return
	}
	if d.of(id) == nil {
		if err := d.solo(ctx, id, ""); err != nil {
			d.Log.Warn("client has no group yet", obs.KeyClient, id, obs.KeyErr, err)
			return
		}
	}
	if p.Available == nil {
		return
	}
	now := availability{p.GetSessionId(), p.GetAvailable()}
	before := d.available[id]
	d.available[id] = now
	// Only a change counts: a player says "not yet" at the beginning of a session,
	// until its clock is set, and that must not take it out of its group.
	if before.session == now.session && before.available && !now.available {
		if err := d.leave(ctx, id, "unavailable"); err != nil {
			d.Log.Warn("client that became unavailable stays in its group", obs.KeyClient, id, obs.KeyErr, err)
		}
	}
}

// Tend gives every client a group that has none: one whose move failed half way, or
// whose news came while a group did not answer.
func (d *Director) Tend(ctx context.Context) {
	for id, p := range d.Clients.All() {
		if d.of(id) == nil && presence.Active(p) {
			d.Presence(ctx, id)
		}
	}
	d.tendPersonas(ctx)
}

// Record takes news of a group's record from its actor.
func (d *Director) Record(g *tuttiv1.Group) {
	if e := d.groups[g.GetGroupId()]; e != nil {
		e.playing, e.name, e.limit = g.GetPlaybackState() == "playing", g.GetName(), g.VolumeCap
		e.applied = g.GetAppliedCommands()
	}
}

// of is the group that a client is in, or nil.
func (d *Director) of(client string) *entry { return d.where[client] }

// get is a group, or NotFound.
func (d *Director) get(id string) (*entry, error) {
	if g := d.groups[id]; g != nil {
		return g, nil
	}
	return nil, fault.New(fault.NotFound, "there is no group %q", id)
}

// soloID names a client's solo group, the same each time, so that making it twice is
// harmless: 16 characters of the key are 96 bits. Where others still listen in the one
// that the client has left, a number follows.
func (d *Director) soloID(client string) string {
	base := "solo-" + client[:min(len(client), 16)]
	id := base
	for n := 2; d.groups[id] != nil; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}

// soloName is what a solo group is called that has this client first.
func (d *Director) soloName(client string) string {
	if name := d.Clients.Get(client).GetName(); name != "" {
		return name
	}
	return "Solo"
}

// solo makes the solo group of a client that is in none; previous is the group that it
// has left, when it shall remember that.
func (d *Director) solo(ctx context.Context, client, previous string) error {
	e := &entry{id: d.soloID(client), name: d.soloName(client), solo: true, members: []string{client}}
	if previous != "" {
		e.memory = memory{client, previous}
		if p := d.groups[previous]; p != nil { // it stands where it stood
			e.limit = p.limit
		}
	}
	return d.create(ctx, e)
}

// create makes a group's record and starts its actor.
func (d *Director) create(ctx context.Context, e *entry) error {
	g := &tuttiv1.Group{GroupId: e.id, Name: e.name, Solo: e.solo, Members: e.members, Assigned: e.assigned, AssignedKnown: true,
		VolumeCap: e.limit, VolumeCaps: d.capsOf(e, e.members, e.assigned),
		PreviousGroupId: e.memory.group, PreviousClientId: e.memory.client, PlaybackState: "stopped", Repeat: "off", QueueIndex: -1, Volume: 100}
	if id := d.cause.of(e.members); id != "" {
		e.applied = []string{id}
		g.AppliedCommands = e.applied
	}
	_, err := d.Groups.Create(ctx, e.id, g)
	exists := fault.CodeOf(err) == fault.Conflict
	if err != nil && !exists {
		return err
	}
	e.known = true
	d.groups[e.id] = e
	d.set(e, e.members)
	d.house(e, e.assigned)
	d.Log.Info("group created", obs.KeyGroup, e.id, "group_name", e.name, "members", len(e.members))
	if err := d.Activate(ctx, e.id); err != nil {
		d.Log.Warn("group is not running yet", obs.KeyGroup, e.id, obs.KeyErr, err) // the sweep tries again
	}
	if exists { // an answer to an earlier attempt was lost
		return d.tell(ctx, e, e.members)
	}
	return nil
}

// tell makes a group's members be these. Who is at home there stays.
func (d *Director) tell(ctx context.Context, e *entry, members []string) error {
	return d.order(ctx, e, members, e.assigned)
}

// order makes a group's members be these, and these be at home there.
func (d *Director) order(ctx context.Context, e *entry, members, assigned []string) error {
	m := &tuttiv1.Membership{Members: members, Assigned: assigned, AssignedKnown: true, VolumeCaps: d.capsOf(e, members, assigned),
		CommandId: d.cause.of(members)}
	kept := e.memory
	if !slices.Contains(members, kept.client) {
		kept = memory{} // whoever comes back later has been elsewhere
	}
	m.PreviousGroupId, m.PreviousClientId = kept.group, kept.client
	if e.solo && len(members) > 0 && (len(e.members) == 0 || e.members[0] != members[0]) {
		m.Name = d.soloName(members[0])
	}
	_, err := d.Ask(ctx, &tuttiv1.GroupCommand{GroupId: e.id, Actor: "director", Command: &tuttiv1.GroupCommand_Membership{Membership: m}})
	if err != nil {
		return err
	}
	e.memory, e.known = kept, true
	if m.CommandId != "" { // the record will say so
		e.applied = append(slices.Clone(e.applied), m.CommandId)
	}
	if m.Name != "" {
		e.name = m.Name
	}
	d.set(e, members)
	d.house(e, assigned)
	return nil
}

// drop ends a group.
func (d *Director) drop(ctx context.Context, e *entry) error {
	_, err := d.Ask(ctx, &tuttiv1.GroupCommand{GroupId: e.id, Actor: "director",
		Command: &tuttiv1.GroupCommand_Membership{Membership: &tuttiv1.Membership{Delete: true}}})
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	d.set(e, nil)
	d.house(e, nil)
	delete(d.groups, e.id)
	return nil
}

// remove takes a client out of a group; a solo group ends with its last member.
func (d *Director) remove(ctx context.Context, e *entry, client string) error {
	members := slices.DeleteFunc(slices.Clone(e.members), func(id string) bool { return id == client })
	if e.solo && len(members) == 0 {
		return d.drop(ctx, e)
	}
	return d.tell(ctx, e, members)
}

// move puts a client into a group and takes it out of the one it is in.
func (d *Director) move(ctx context.Context, client string, to *entry) error {
	from := d.of(client)
	if from == to {
		return nil
	}
	if from != nil {
		if err := d.remove(ctx, from, client); err != nil {
			return err
		}
	}
	return d.tell(ctx, to, append(slices.Clone(to.members), client))
}

// alone puts a client into a solo group, unless it has a group to itself.
func (d *Director) alone(ctx context.Context, client, previous string) error {
	from := d.of(client)
	if from != nil && len(from.members) == 1 {
		return nil
	}
	if from != nil {
		if err := d.remove(ctx, from, client); err != nil {
			return err
		}
	}
	return d.solo(ctx, client, previous)
}

// leave takes a client out of its group's playback (specification, client/leave and
// available: false): out of a group of several into a solo group that remembers where
// it was; in a group of its own, playback stops.
func (d *Director) leave(ctx context.Context, client, why string) error {
	g := d.of(client)
	if g == nil {
		return nil
	}
	d.Log.Info("client leaves playback", obs.KeyClient, client, obs.KeyGroup, g.id, obs.KeyReason, why)
	if len(g.members) > 1 {
		return d.alone(ctx, client, g.id)
	}
	_, err := d.Ask(ctx, &tuttiv1.GroupCommand{GroupId: g.id, Actor: "director", Command: &tuttiv1.GroupCommand_Pause{Pause: &tuttiv1.Empty{}}})
	if fault.CodeOf(err) == fault.Conflict {
		return nil // nothing plays
	}
	return err
}
