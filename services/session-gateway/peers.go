package gateway

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/lease"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/deal"
)

// This file is what a gateway knows of the others: who is there, who takes sessions,
// and who died. The heartbeat of 5 s is too slow for the last one, as the devices of a
// dead gateway are silent: a lease is watched for it.

const (
	// leasePrefix and the instance id are the key of the lease that says a gateway lives.
	leasePrefix = "gateway."
	// lookEvery is how often the others' leases are looked at when nothing changes.
	lookEvery = 500 * time.Millisecond
	// settleFirst and settleAgain are how long this gateway has to hold its own lease
	// before it takes others without one for dead: when the bus was away all leases
	// have lapsed, and their holders come back one after the other.
	settleFirst = 3 * time.Second
	settleAgain = 10 * time.Second
	// silentLooks is in how many looks one after the other a gateway without a lease must
	// not have answered to be taken for dead before that, where its lease lapsed because
	// leases had no leader and not because the bus was away.
	silentLooks = 2
	// overdueEvery is how often it is looked for gateways that are late with their renewals, and
	// absentLooks in how many looks one after the other the bus must have known of nobody at
	// one of them for it to be taken for dead before its lease lapses. So a gateway that was
	// killed is missed after half a TTL; one that connects to another node of the bus has come
	// back by then.
	overdueEvery = 100 * time.Millisecond
	absentLooks  = 3
)

// peers is the gateways of the deployment, this one included. It is safe for concurrent use.
type peers struct {
	self    string
	clock   clockwork.Clock
	changed func(died bool) // called without locks after a change; may be called at any time
	links   func() uint64   // numbers the connections to the bus

	mu      sync.Mutex
	records map[string]*tuttiv1.Instance
	dead    map[string]bool // have a record and no lease
	judgeAt time.Time       // when this gateway may judge; zero: not now
	held    bool            // this gateway held its lease once
	link    uint64          // which connection to the bus it was when the lease was held last
	stood   bool            // the connection is the one with which the lease was held before
	fence   uint64          // of this gateway's own lease
	silent  map[string]int  // in how many looks a gateway has not answered
	absent  map[string]int  // in how many looks nobody was at an overdue gateway
	full    bool            // this gateway takes no more
	drains  bool            // this gateway is on its way out
}

func newPeers(self string, clock clockwork.Clock, links func() uint64, changed func(died bool)) *peers {
	return &peers{self: self, clock: clock, changed: changed, links: links,
		records: map[string]*tuttiv1.Instance{}, dead: map[string]bool{}, silent: map[string]int{}, absent: map[string]int{}}
}

// alive reports whether a gateway is running, as far as is known.
func (p *peers) alive(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.aliveLocked(id)
}

func (p *peers) aliveLocked(id string) bool { return p.records[id] != nil && !p.dead[id] }

// mine reports whether key is dealt to this gateway.
func (p *peers) mine(key string) bool {
	return p.owner(key) == p.self
}

// owner is the gateway that key is dealt to; "" when none takes sessions.
func (p *peers) owner(key string) string { return deal.Owner(key, p.members()) }

// members are the gateways that take sessions.
func (p *peers) members() []deal.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []deal.Member
	for id, r := range p.records {
		load := r.GetLoad()
		full := load.GetCapacity() > 0 && load.GetSessions() >= load.GetCapacity()
		drains := r.GetDraining()
		if id == p.self { // its own record is older than what it knows
			full, drains = p.full, p.drains
		}
		if full || drains || !p.aliveLocked(id) {
			continue
		}
		weight := float64(load.GetCapacity())
		if weight == 0 {
			weight = defaultSessions // an older version does not say
		}
		out = append(out, deal.Member{ID: id, Weight: weight})
	}
	return out
}

// take handles one change of the bucket of instances.
func (p *peers) take(e bus.Entry[*tuttiv1.Instance]) {
	id := strings.TrimPrefix(e.Key, serviceName+".")
	p.mu.Lock()
	died := e.Value == nil && p.records[id] != nil
	if e.Value == nil {
		delete(p.records, id)
		delete(p.dead, id)
	} else {
		p.records[id] = e.Value
	}
	p.mu.Unlock()
	p.changed(died)
}

// own sets what this gateway knows of itself, and reports whether that is news.
func (p *peers) own(full, drains bool) bool {
	p.mu.Lock()
	news := p.full != full || p.drains != drains
	p.full, p.drains = full, drains
	p.mu.Unlock()
	if news {
		p.changed(false)
	}
	return news
}

// holds says whether this gateway's own lease is held now, and under which fence.
func (p *peers) holds(held bool, fence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if held {
		link := p.links()
		p.stood, p.link, p.fence = p.held && link == p.link, link, fence
		clear(p.silent)
	}
	switch {
	case !held:
		p.judgeAt = time.Time{}
	case p.held:
		p.judgeAt = p.clock.Now().Add(settleAgain)
	default:
		p.judgeAt = p.clock.Now().Add(settleFirst)
	}
	p.held = p.held || held
}

// others are the gateways to look after.
func (p *peers) others() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for id := range p.records {
		if id != p.self {
			out = append(out, id)
		}
	}
	return out
}

// found takes the result of a look at a gateway's lease.
func (p *peers) found(id string, held bool) {
	p.mu.Lock()
	judge := held || !p.judgeAt.IsZero() && !p.clock.Now().Before(p.judgeAt)
	news := judge && p.records[id] != nil && p.dead[id] == held
	if news {
		p.dead[id] = !held
	}
	p.mu.Unlock()
	if news {
		p.changed(!held)
	}
}

// noteLink takes note of a new connection to the bus while the lease is held.
func (p *peers) noteLink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if link := p.links(); !p.judgeAt.IsZero() && link != p.link {
		p.link, p.stood = link, false
	}
}

// stale reports whether a gateway's lease is one from before NATS chose another leader for the leases:
// all lapsed then, and who lives gets a new one at once. The old ones are seen again for as long as
// leases last, which those who wait for the dead need not wait out.
func (p *peers) stale(held map[string]lease.Holding, id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.staleLocked(held, id)
}

func (p *peers) staleLocked(held map[string]lease.Holding, id string) bool {
	h, ok := held[leasePrefix+id]
	return ok && h.Fence < p.fence && p.stood && !p.judgeAt.IsZero() && p.clock.Now().Before(p.judgeAt)
}

// doubted are the gateways that have no lease, or one from before, and cannot be judged by that yet, but by
// whether they answer: NATS chose another leader for the leases, of which all had lapsed meanwhile, and the
// connection to the bus stood all the time. A host that was cut off together with the leader
// would else be missed for settleAgain more. Where the connection broke, others' may not be
// back yet, and they answer nothing.
func (p *peers) doubted(held map[string]lease.Holding) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stood || p.judgeAt.IsZero() || !p.clock.Now().Before(p.judgeAt) {
		return nil
	}
	var out []string
	for id := range p.records {
		if _, ok := held[leasePrefix+id]; (!ok || p.staleLocked(held, id)) && id != p.self && !p.dead[id] {
			out = append(out, id)
		}
	}
	return out
}

// heard takes whether a doubted gateway answered.
func (p *peers) heard(id string, answered bool) {
	p.mu.Lock()
	if answered {
		delete(p.silent, id)
	} else {
		p.silent[id]++
	}
	dies := p.silent[id] >= silentLooks && p.records[id] != nil && !p.dead[id]
	if dies {
		p.dead[id] = true
	}
	p.mu.Unlock()
	if dies {
		p.changed(true)
	}
}

// overdue are the gateways that may be dead although they have a lease: those that are late with
// its renewal. It forgets what was found of others, and names none while this gateway may not judge.
func (p *peers) overdue(late map[string]bool) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.judgeAt.IsZero() || p.clock.Now().Before(p.judgeAt) {
		late = nil
	}
	for id := range p.absent {
		if !late[leasePrefix+id] {
			delete(p.absent, id)
		}
	}
	var out []string
	for id := range p.records {
		if late[leasePrefix+id] && id != p.self && !p.dead[id] {
			out = append(out, id)
		}
	}
	return out
}

// missed takes whether the bus knew of nobody at an overdue gateway.
func (p *peers) missed(id string, nobody bool) {
	p.mu.Lock()
	if nobody {
		p.absent[id]++
	} else {
		delete(p.absent, id)
	}
	dies := p.absent[id] >= absentLooks && p.records[id] != nil && !p.dead[id]
	if dies {
		p.dead[id] = true
	}
	p.mu.Unlock()
	if dies {
		p.changed(true)
	}
}

// gone reports whether an overdue gateway was found dead, whose lease is only not over yet.
func (p *peers) gone(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.absent[id] >= absentLooks
}

// live holds this gateway's lease and watches the others' until ctx ends. answers asks a
// gateway's sessions whether they are there, absent the bus whether it knows of nobody there.
func (p *peers) live(ctx context.Context, leases *lease.Manager, answers, absent func(ctx context.Context, id string) bool) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		leases.Campaign(ctx, leasePrefix+p.self, func(ctx context.Context, l *lease.Lease) {
			p.holds(true, l.Fence())
			<-ctx.Done()
			p.holds(false, 0)
		})
	})
	tick := p.clock.NewTicker(lookEvery)
	defer tick.Stop()
	renewals := p.clock.NewTicker(overdueEvery)
	defer renewals.Stop()
	var seen *lease.Observer
	var changed <-chan struct{}
	for {
		if seen == nil { // the bus may be away
			if o, err := leases.Observe(leasePrefix); err == nil {
				defer o.Close()
				seen, changed = o, o.Changed()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan(): // what could not be judged before may be now
		case <-changed:
		case <-renewals.Chan():
			if seen != nil {
				for _, id := range p.overdue(seen.Overdue(leases.TTL() / 2)) {
					p.missed(id, absent(ctx, id))
				}
			}
			continue
		}
		p.noteLink()
		if seen == nil {
			continue
		}
		held, known := seen.Held()
		for _, id := range p.others() {
			if _, ok := held[leasePrefix+id]; (ok || known) && !p.stale(held, id) && !(ok && p.gone(id)) {
				p.found(id, ok)
			}
		}
		if known {
			for _, id := range p.doubted(held) {
				p.heard(id, answers(ctx, id))
			}
		}
	}
}

// watchInstances returns when all running gateways are known, so that the first
// sweep does not take one for dead.
func (s *Service) watchInstances(ctx, base context.Context) (func(), error) {
	return s.instances.Follow(base, ctx, subject.InstanceKey(serviceName, "*"), s.peers.take)
}

// peersChanged deals the sightings anew, and cleans up behind a gateway that died.
func (s *Service) peersChanged(died bool) {
	if died {
		signal(s.died)
	}
	s.mu.Lock()
	d := s.dialer
	s.mu.Unlock()
	if d != nil {
		d.Redeal()
	}
}

// signal puts a token into a channel of one place.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
