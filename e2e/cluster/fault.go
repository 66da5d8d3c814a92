package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// Fault is something that goes wrong with the deployment.
type Fault struct {
	Name string
	// Short faults are in the form that every test run includes.
	Short bool
	// Strike makes it happen; mend undoes it: it starts again what was ended.
	Strike func(t testing.TB, c *Cluster) (mend func())
	// Silence is how long a player may be silent, as the architecture page promises it for
	// this fault; 0: not at all.
	Silence time.Duration
	// Live is the same for players of a line-in; they hear of more.
	Live time.Duration
	// Alone: there is one of it, so nothing is waited for before it is mended.
	Alone bool
	// Apart is how long the deployment is without what was struck, beyond its recovery.
	Apart time.Duration
	// Watch is how long is listened after everything is mended: what was ahead on tapes
	// and in buffers has to be played before a seam is heard.
	Watch time.Duration
}

// slack is for a machine that does more than the test: measured silences are asserted
// against the promise times slack, and reported as they are.
const slack = 3

// tapeAhead is how far tapes run ahead: what a dead stream instance has left behind.
const tapeAhead = 30 * time.Second

// Faults are all of them, in the order in which they strike.
func Faults() []Fault {
	kill := func(service, metric string) func(testing.TB, *Cluster) func() {
		return func(t testing.TB, c *Cluster) func() {
			in := c.Of(service)[0]
			if metric != "" {
				in = c.Busiest(t, service, metric)
			}
			in.Kill()
			return func() { in.Start(t) }
		}
	}
	out := []Fault{
		// First, while their gateways have their share of the players: they do not move back by themselves.
		// NATS nodes go too: nobody is found dead before there are other leaders (see below),
		// and players bridge 3 s of that.
		{Name: "a host is cut off and comes back", Strike: cutOff(2), Silence: 4 * time.Second, Live: 5 * time.Second, Watch: tapeAhead},
		{Name: "a host with one of every service is cut off and comes back", Strike: cutOff(1), Silence: 4 * time.Second, Live: 5 * time.Second, Watch: tapeAhead},
		{Name: "the host of PostgreSQL is cut off and comes back", Strike: func(_ testing.TB, c *Cluster) func() {
			c.Net.Store.Cut()
			return c.Net.Store.Heal
		}, Apart: 10 * time.Second},
		{Name: "stream instance: kill -9", Short: true, Strike: kill("stream", "tutti_stream_groups_playing"), Live: 3 * time.Second, Watch: tapeAhead},
		{Name: "gateway: kill -9", Short: true, Strike: kill("session-gateway", "tutti_gateway_sessions"), Silence: 3 * time.Second, Live: 3 * time.Second},
		{Name: "pairing: kill -9", Strike: kill("pairing", ""), Apart: 5 * time.Second},
		{Name: "management: kill -9", Strike: kill("management", ""), Apart: 5 * time.Second},
		{Name: "discovery: kill -9", Strike: kill("discovery", ""), Apart: 5 * time.Second},
		{Name: "stream instance: SIGSTOP past its lease, SIGCONT", Strike: pause, Live: 3 * time.Second, Watch: tapeAhead},
	}
	for i := range hostNames() {
		// NATS takes 4 to 9 s to choose other leaders for its streams; a line-in has nothing
		// ahead to bridge them with.
		out = append(out, Fault{Name: fmt.Sprintf("NATS node %d: kill -9", i+1), Live: 5 * time.Second, Apart: 10 * time.Second, Watch: tapeAhead,
			Strike: func(t testing.TB, c *Cluster) func() {
				p := c.Nodes[i]
				p.Kill()
				return func() { p.Start(t); c.awaitNode(t, p) }
			}})
	}
	return append(out,
		Fault{Name: "PostgreSQL: restart", Short: true, Strike: restartPostgres, Alone: true},
		Fault{Name: "a stream instance and a gateway: rolling restart", Short: true, Strike: roll("stream", "session-gateway"), Alone: true, Live: 3 * time.Second, Watch: tapeAhead},
		Fault{Name: "every service: rolling restart", Strike: roll(), Alone: true, Live: 3 * time.Second, Watch: tapeAhead})
}

// pause stops a stream instance until every lease that it held has another holder, and
// then lets it go on in the belief that it holds them still.
func pause(t testing.TB, c *Cluster) func() {
	in := c.Busiest(t, "stream", "tutti_stream_groups_playing")
	in.Signal(syscall.SIGSTOP)
	return func() { in.Signal(syscall.SIGCONT) }
}

// cutOff takes a host away with everything on it.
func cutOff(host int) func(testing.TB, *Cluster) func() {
	return func(_ testing.TB, c *Cluster) func() {
		h := c.Net.Hosts[host]
		h.Cut()
		return h.Heal
	}
}

// restartPostgres is its fast restart: open connections are closed.
func restartPostgres(t testing.TB, c *Cluster) func() {
	if err := c.Postgres.End(syscall.SIGINT, patience); err != nil {
		t.Error(err)
	}
	c.Postgres.Start(t)
	return func() { c.awaitPostgres(t) }
}

// drainLimit is how long an instance may take to leave after SIGTERM: Kubernetes'
// terminationGracePeriodSeconds of ours.
const drainLimit = 45 * time.Second

// minReady is how long an instance must have been ready before the next one is ended:
// Kubernetes' minReadySeconds of ours. Players fill their buffers meanwhile.
const minReady = 5 * time.Second

// roll ends every instance by SIGTERM, one after the other, and starts it again when it
// has left. With services it is the first instance of each of them.
func roll(only ...string) func(testing.TB, *Cluster) func() {
	return func(t testing.TB, c *Cluster) func() {
		services, most := []string{"pairing", "management", "discovery", "stream", "session-gateway"}, len(c.Instances)
		if len(only) > 0 {
			services, most = only, 1
		}
		for _, service := range services {
			all := c.Of(service)
			for _, in := range all[:min(most, len(all))] {
				began := time.Now()
				if err := in.End(syscall.SIGTERM, drainLimit); err != nil {
					t.Error(err)
				}
				left := time.Since(began)
				in.Start(t)
				c.AwaitReady(t, in)
				t.Logf("%s left within %s and was ready again after %s", in.Name, left.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
				wait(minReady)
			}
		}
		return func() {}
	}
}

// Row is what one fault did.
type Row struct {
	Fault
	Players         int           // that were silent
	Longest, Median time.Duration // silence: of the worst player that gateways dial, of the one in the middle of all
	DialIn          time.Duration // of the worst player that dials in
	Strict          time.Duration // longest of a player that does not play on without a connection
	Live            time.Duration // silence of the worst player of the line-in
	Deaf            int           // of its players that heard nothing at all
	Lost, Repeated  int64         // samples, of all players
	// Music is until all players had half their buffers ahead again for good, 0 when they
	// never had not; Orders is the longest time that a group did not take an order; -1: never.
	Music, Orders    time.Duration
	TwoOwners        int
	Fenced           float64
	TrustLost        int
	Missing          int      // players that the API does not show at work afterwards
	Crashes          int64    // instances that ended by themselves
	crashed          []string // what they said last
	Stuck            string   // why not everything came back by itself
	from, to         int64
	ordersUnanswered []string
}

// Suffer lets a fault happen while the fleet listens, and measures.
func (f *Fleet) Suffer(t testing.TB, c *Cluster, fault Fault) Row {
	t.Helper()
	r := Row{Fault: fault}
	fenced, crashes := c.Total("tutti_fenced_total"), c.Crashes.Load()
	trust := c.Records(t)
	r.from = nowUS()
	m := f.watch(c)
	t.Logf("%s: strikes at %s", fault.Name, time.Now().UTC().Format("15:04:05.000"))
	mend := fault.Strike(t, c)
	if !fault.Alone {
		m.recovered(t, recovery)
	}
	wait(fault.Apart)
	mend()
	for _, in := range c.Instances {
		c.AwaitReady(t, in)
	}
	m.recovered(t, recovery)
	wait(fault.Watch + BufferSeconds*time.Second)
	m.end(&r)
	r.to = nowUS()
	f.judge(t, &r)
	r.Stuck = f.Mend(t, c)
	r.Fenced = c.Total("tutti_fenced_total") - fenced
	r.Crashes = c.Crashes.Load() - crashes
	r.TrustLost, r.Missing = f.count(c)
	r.TrustLost = max(r.TrustLost, lost(trust, c.Records(t)))
	return r
}

// count asks the API how many trusted clients it does not show as such, and how many players it
// does not show at work; it waits for them within reason.
func (f *Fleet) count(c *Cluster) (lost, missing int) {
	for limit := time.Now().Add(patience); ; wait(200 * time.Millisecond) {
		var out struct{ Clients []harness.Client }
		if err := c.Do("GET", "/api/v1/clients", nil, &out); err == nil {
			// The line-in is a client too.
			lost, missing = len(f.all())+1-count(out.Clients, trusted), len(f.all())-f.playing(out.Clients)
			if lost == 0 && missing == 0 {
				return 0, 0
			}
		} else if lost == 0 {
			missing = len(f.all())
		}
		if time.Now().After(limit) {
			return lost, missing
		}
	}
}

func count[T any](all []T, is func(T) bool) (n int) {
	for _, x := range all {
		if is(x) {
			n++
		}
	}
	return n
}

func trusted(cl harness.Client) bool { return cl.Trust == "approved" || cl.Trust == "paired" }

// judge fills in what the players heard.
func (f *Fleet) judge(t testing.TB, r *Row) {
	t.Helper()
	each, two := f.Hear(t, r.from, r.to)
	r.TwoOwners = two
	var silences []int64
	for i, h := range each {
		if f.Players[i].URL == "" {
			r.DialIn = max(r.DialIn, us(h.Silence))
		} else {
			r.Longest = max(r.Longest, us(h.Silence))
		}
		silences = append(silences, h.Silence)
		if h.Silence > 0 {
			r.Players++
		}
		r.Strict = max(r.Strict, us(h.Strict))
		r.Lost += h.Lost
		r.Repeated += h.Repeated
	}
	if f.Live != nil {
		r.Live, r.Deaf = f.Live.Silence(f.offset(t), r.from, r.to)
		f.Live.Tell(t, f.offset(t), r.from, r.to)
	}
	f.tellWorst(t, each)
	slices.Sort(silences)
	r.Median = us(silences[len(silences)/2])
}

// tellWorst names the players that were without a connection for longest, for those who look
// for the cause in the logs.
func (f *Fleet) tellWorst(t testing.TB, each []Heard) {
	order := make([]int, len(each))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(each[b].Strict, each[a].Strict) })
	for _, i := range order[:min(4, len(order))] {
		if h := each[i]; h.Strict > 0 {
			t.Logf("%s heard nothing new for %s, from %s after the strike", f.Players[i].Name, us(h.Strict), us(h.StrictAt))
		}
	}
}

func us(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// recovery bounds how long is waited for music and orders before what was struck is
// mended; some things do not come back before.
const recovery = 25 * time.Second

// wait lets real time pass: what is measured is what happens in it.
func wait(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}
