package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/bench/floor"
	"github.com/tutti-audio/tutti/bench/host"
	"github.com/tutti-audio/tutti/bench/load"
	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// settle is how long buffers may fill before a measurement begins: a gateway fills
// them at ten times real time, which many players at once stretch.
func settle(players int) time.Duration {
	return 3*time.Second + time.Duration(players)*2*time.Millisecond
}

// slack is how much later chunks may come at the end of a measurement than at its
// beginning, for players to count as on time.
const slack = 150 * time.Millisecond

// judges is how many players decrypt and compare times.
const judges = 10

// pair is a gateway process and its load generator.
type pair struct {
	host, load *proc.Child
	opening    time.Duration // of all players
}

// startHost starts the gateway alone.
func startHost() (p *pair, addr string, err error) {
	p = &pair{}
	if p.host, err = proc.Start(host.Role); err != nil {
		return nil, "", err
	}
	if addr, err = p.host.Line(); err != nil {
		p.stop()
	}
	return p, addr, err
}

// startPair starts the gateway and a load generator whose players are all connected.
func startPair(players int, suite noise.Suite) (*pair, error) {
	p, addr, err := startHost()
	if err != nil {
		return nil, err
	}
	return p, p.addLoad(addr, players, suite)
}

func (p *pair) addLoad(addr string, players int, suite noise.Suite) (err error) {
	p.load, err = proc.Start(load.Role, "-addr", addr, "-suite", string(suite),
		"-players", fmt.Sprint(players), "-judges", fmt.Sprint(min(judges, players)))
	if err != nil {
		p.stop()
		return err
	}
	line, err := p.load.Line()
	if err == nil {
		var us int64
		_, err = fmt.Sscanf(line, "ready %d", &us)
		p.opening = time.Duration(us) * time.Microsecond
	}
	if err != nil {
		p.stop()
	}
	return err
}

func (p *pair) stop() {
	for _, c := range []*proc.Child{p.load, p.host} {
		if c != nil {
			_ = c.Stop()
		}
	}
}

// ask sends a question to a child and decodes its answer.
func ask[T any](c *proc.Child, question string) (answer T, err error) {
	if err := c.Say(question); err != nil {
		return answer, err
	}
	line, err := c.Line()
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal([]byte(line), &answer)
}

// delivery is one measurement of a stream to many players.
type delivery struct {
	coresPer1000, loadCores float64
	onTime                  bool
	verdict                 string
}

func measure(ctx context.Context, shape floor.Shape, suite noise.Suite, players int, d time.Duration, profile string) (delivery, error) {
	p, err := startPair(players, suite)
	if err != nil {
		return delivery{}, err
	}
	defer p.stop()
	codec := "pcm"
	if strings.HasPrefix(shape.Name, "FLAC") {
		codec = "flac"
	}
	play, err := json.Marshal(host.Play{Codec: codec, Bytes: shape.Bytes, Period: shape.Period})
	if err != nil {
		return delivery{}, err
	}
	if _, err := ask[string](p.host, "play "+string(play)); err != nil {
		return delivery{}, err
	}
	wait(ctx, settle(players))
	h0, err := ask[host.Report](p.host, "mark")
	if err != nil {
		return delivery{}, err
	}
	l0, err := ask[load.Report](p.load, "mark")
	if err != nil {
		return delivery{}, err
	}
	if err := p.profiled(ctx, profile, d); err != nil {
		return delivery{}, err
	}
	h1, err := ask[host.Report](p.host, "mark")
	if err != nil {
		return delivery{}, err
	}
	l1, err := ask[load.Report](p.load, "mark")
	if err != nil {
		return delivery{}, err
	}
	wall := h1.Wall - h0.Wall
	out := delivery{
		coresPer1000: float64(h1.CPU-h0.CPU) / float64(wall) * 1000 / float64(players),
		loadCores:    float64(l1.CPU-l0.CPU) / float64(wall),
	}
	// On time: nobody lost, no chunk late, every player got its bytes, and the leads
	// of the judges did not shrink.
	want := float64(shape.Bytes) * float64(wall) / float64(shape.Period) * float64(players)
	got := float64(l1.Bytes-l0.Bytes) / want
	out.onTime = l1.Lost == 0 && l1.Late == 0 && l1.Chunks > 0 && got > 0.98 && l1.LeadEnd > l1.LeadStart-slack.Microseconds()
	out.verdict = fmt.Sprintf("%.1f %% of the bytes, lead %d → %d ms, least %d ms, %d late, %d lost",
		got*100, l1.LeadStart/1000, l1.LeadEnd/1000, l1.MinLead/1000, l1.Late, l1.Lost)
	return out, nil
}

// profiled waits for a measurement to pass, with a CPU profile of the gateway if a
// file is named. (Profiling costs a percent or two.)
func (p *pair) profiled(ctx context.Context, file string, d time.Duration) error {
	if file == "" {
		wait(ctx, d)
		return nil
	}
	if _, err := ask[string](p.host, "cpuprofile "+file); err != nil {
		return err
	}
	wait(ctx, d)
	_, err := ask[string](p.host, "cpustop")
	return err
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var suiteCiphers = []struct {
	suite  noise.Suite
	cipher string
}{{noise.ChaChaPoly, floor.ChaCha}, {noise.AESGCM, floor.GCM}}

func gateways(ctx context.Context, o options) error {
	fmt.Printf("\n## Gateway beside the floor: cores per 1,000 players (%d players)\n\n"+
		"| chunk | suite | floor | gateway | ratio | delivery |\n| --- | --- | --- | --- | --- | --- |\n", o.players)
	for _, shape := range o.shapes(floor.Shapes()[:4]...) {
		for _, s := range suiteCiphers {
			f, err := floor.Run(ctx, floor.Config{Shape: shape, Cipher: s.cipher, Players: o.players, Duration: o.duration})
			if err != nil {
				return err
			}
			g, err := measure(ctx, shape, s.suite, o.players, o.duration, o.profile(shape.Name, s.cipher))
			if err != nil {
				return err
			}
			fmt.Printf("| %s | %s | %.3f | %.3f | %.2f | %s |\n",
				shape.Name, s.cipher, f.CoresPer1000, g.coresPer1000, g.coresPer1000/f.CoresPer1000, g.verdict)
		}
	}
	return nil
}

// largest finds the most players on time, by growing and then halving the step.
func largest(ctx context.Context, o options) error {
	fmt.Print("\n## Most players on time, load generator on the same machine\n\n| chunk | suite | floor | gateway | at that number |\n| --- | --- | --- | --- | --- |\n")
	for _, shape := range o.shapes(floor.Shapes()[1], floor.Shapes()[3]) {
		for _, s := range suiteCiphers {
			most, _, err := search(o.most, func(n int) (bool, string, error) {
				r, err := floor.Run(ctx, floor.Config{Shape: shape, Cipher: s.cipher, Players: n, Duration: min(o.duration, 4*time.Second)})
				return r.Behind < slack, "", err
			})
			if err != nil {
				return err
			}
			mine, how, err := search(o.most, func(n int) (bool, string, error) {
				r, err := measure(ctx, shape, s.suite, n, o.duration, "")
				return r.onTime, fmt.Sprintf("%.2f + %.2f cores; %s", r.coresPer1000*float64(n)/1000, r.loadCores, r.verdict), err
			})
			if err != nil {
				return err
			}
			fmt.Printf("| %s | %s | %d | %d | %s |\n", shape.Name, s.cipher, most, mine, how)
		}
	}
	return nil
}

// search returns the largest number of players, in steps of 500, for which try is
// true, up to most.
func search(most int, try func(n int) (bool, string, error)) (best int, how string, err error) {
	const step = 500
	low, high := 0, most/step+1 // low works, high does not
	for n := min(4, high-1); low+1 < high; n = (low + high) / 2 {
		ok, note, err := try(n * step)
		if err != nil {
			return 0, "", err
		}
		if ok {
			low, how = n, note
		} else {
			high = n
		}
	}
	return low * step, how, nil
}

// memory measures what an idle session holds, as the difference between a gateway
// without and with its players. (What the kernel holds for a socket is not in it.)
func memory(_ context.Context, o options) error {
	p, addr, err := startHost()
	if err != nil {
		return err
	}
	defer p.stop()
	before, err := ask[host.Report](p.host, "gc")
	if err != nil {
		return err
	}
	if err := p.addLoad(addr, o.players, noise.AESGCM); err != nil {
		return err
	}
	after, err := ask[host.Report](p.host, "gc")
	if err != nil {
		return err
	}
	if file := o.profile("heap"); file != "" {
		if _, err := ask[string](p.host, "heapprofile "+file); err != nil {
			return err
		}
	}
	n := float64(o.players) * 1024
	fmt.Printf("\n## Memory per idle session (%d sessions)\n\n| resident KiB | heap KiB | stacks KiB | goroutines |\n| --- | --- | --- | --- |\n"+
		"| %.1f | %.1f | %.1f | %.1f |\n\n%d openings took %s with the load generator on the same machine.\n", o.players,
		float64(after.RSS-before.RSS)/n, float64(after.Heap-before.Heap)/n, float64(after.Stacks-before.Stacks)/n,
		float64(after.Goroutines-before.Goroutines)/float64(o.players), o.players, p.opening.Round(time.Millisecond))
	return nil
}

// turnaround measures client/time exchanges, on an idle gateway and beside streams.
func turnaround(ctx context.Context, o options) error {
	fmt.Print("\n## client/time, µs\n\n| players streaming | round trip p50 | p99 | inside the gateway p50 | p99 |\n| --- | --- | --- | --- | --- |\n")
	for _, players := range []int{0, o.players} {
		if err := exchange(ctx, players); err != nil {
			return err
		}
	}
	return nil
}

func exchange(ctx context.Context, players int) error {
	p, err := startPair(max(players, 1), noise.AESGCM)
	if err != nil {
		return err
	}
	defer p.stop()
	if players > 0 {
		play, err := json.Marshal(host.Play{Codec: "pcm", Bytes: 19200, Period: 100 * time.Millisecond})
		if err != nil {
			return err
		}
		if _, err := ask[string](p.host, "play "+string(play)); err != nil {
			return err
		}
		wait(ctx, settle(players))
	}
	t, err := ask[load.Turnaround](p.load, "time 1000")
	if err != nil {
		return err
	}
	fmt.Printf("| %d | %d | %d | %d | %d |\n", players, t.RoundTrip50, t.RoundTrip99, t.Server50, t.Server99)
	return nil
}
