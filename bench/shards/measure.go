package shards

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tutti-audio/tutti/bench/proc"
)

// Gateways is how many share the sessions.
const Gateways = 3

// firstPings is when all sessions had their first ping, 15 s after they began.
const firstPings = 20 * time.Second

// limit is how long all devices may take to be connected.
const limit = 5 * time.Minute

// Result is one measurement.
type Result struct {
	Sessions int
	// KiB is the resident memory of all gateways together, per session, above that of
	// gateways without sessions; BusKiB is the same of the bus, sightings and records included.
	KiB, BusKiB float64
	// Opening is how long it took from the first sighting until all were connected;
	// Storm from a power cut of all devices that do not play; Kill from the kill -9 of one
	// gateway (its lease lapses first).
	Opening, Storm, Kill time.Duration
	Cut, Orphans         int // devices that the last two were about
	HalfOpen             int // most openings at once in the storm
	// Messages and bytes a second on the bus, in and out: idle, for each session, and what
	// a playing group adds to that, for each group and for each of its players.
	IdleMessages, IdleBytes     float64
	GroupMessages, GroupBytes   float64
	PlayerMessages, PlayerBytes float64
	// Of the players that went on playing beside the storm.
	Chunks, Late int64
	MinLead      time.Duration
	IdleCores    float64 // of all gateways together
}

// site is the processes of one measurement.
type site struct {
	hub, devices *proc.Child
	gateways     []*proc.Child
	addr         string // of the devices
}

func (s *site) stop() {
	for _, c := range append(s.gateways, s.devices, s.hub) {
		if c != nil {
			_ = c.Stop()
		}
	}
}

func start(n int) (s *site, err error) {
	s = &site{}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.hub, err = proc.Start(RoleHub); err != nil {
		return s, err
	}
	url, err := s.hub.Line()
	if err != nil {
		return s, err
	}
	for i := range Gateways {
		g, err := proc.Start(RoleShard, "-nats", url, "-id", fmt.Sprintf("gw-%d", i+1))
		if err != nil {
			return s, err
		}
		s.gateways = append(s.gateways, g)
		if _, err := g.Line(); err != nil {
			return s, err
		}
	}
	if s.devices, err = proc.Start(RoleDevices, "-devices", fmt.Sprint(n)); err != nil {
		return s, err
	}
	s.addr, err = s.devices.Line()
	return s, err
}

// ask sends a question to a child and decodes its answer.
func ask[T any](c *proc.Child, question string) (v T, err error) {
	if err := c.Say(question); err != nil {
		return v, err
	}
	line, err := c.Line()
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(line), &v)
}

// usage is what the gateways that live use together.
func (s *site) usage() (u Usage, err error) {
	for _, g := range s.gateways {
		v, err := ask[Usage](g, "gc")
		if err != nil {
			return u, err
		}
		u.CPU, u.RSS = u.CPU+v.CPU, u.RSS+v.RSS
	}
	return u, nil
}

// connected waits for all devices and says how long that took since.
func (s *site) connected(since time.Time) (time.Duration, error) {
	_, err := ask[int64](s.devices, "wait "+limit.String())
	return time.Since(since), err
}

// rate is the bus's traffic a second during d.
func (s *site) rate(ctx context.Context, d time.Duration) (messages, bytes float64, err error) {
	before, err := ask[Traffic](s.hub, "mark")
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	wait(ctx, d)
	after, err := ask[Traffic](s.hub, "mark")
	sec := time.Since(began).Seconds()
	return float64(after.Messages-before.Messages) / sec, float64(after.Bytes-before.Bytes) / sec, err
}

// Measure connects n devices and measures for d each time.
func Measure(ctx context.Context, n int, d time.Duration) (r Result, err error) {
	s, err := start(n)
	if err != nil {
		return r, err
	}
	defer s.stop()
	r.Sessions = n
	// Gateways judge each other's death after they have seen each other for a while.
	wait(ctx, 4*time.Second)
	for _, step := range []func(context.Context, *site, time.Duration) error{r.open, r.play, r.storm, r.kill} {
		if err := step(ctx, s, d); err != nil {
			return r, err
		}
	}
	return r, ctx.Err()
}

// open measures the opening, and what sessions cost that do nothing.
func (r *Result) open(ctx context.Context, s *site, d time.Duration) error {
	n := float64(r.Sessions)
	before, err := s.usage()
	if err != nil {
		return err
	}
	bus, err := ask[Traffic](s.hub, "mark")
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := ask[string](s.hub, fmt.Sprintf("sight -addr %s -devices %d", s.addr, r.Sessions)); err != nil {
		return err
	}
	if r.Opening, err = s.connected(began); err != nil {
		return err
	}
	// Until then each session was pinged once, which it writes down; from then on it does so
	// now and then.
	wait(ctx, firstPings)
	after, err := s.usage()
	if err != nil {
		return err
	}
	r.KiB = float64(after.RSS-before.RSS) / 1024 / n
	messages, bytes, err := s.rate(ctx, d)
	if err != nil {
		return err
	}
	r.IdleMessages, r.IdleBytes = messages/n, bytes/n
	idle, err := s.usage()
	if err != nil {
		return err
	}
	r.IdleCores = float64(idle.CPU-after.CPU) / float64(d)
	full, err := ask[Traffic](s.hub, "mark")
	r.BusKiB = float64(full.Memory-bus.Memory) / 1024 / n
	return err
}

// play measures what groups add that play.
func (r *Result) play(ctx context.Context, s *site, d time.Duration) error {
	idle, idleBytes := r.IdleMessages*float64(r.Sessions), r.IdleBytes*float64(r.Sessions)
	t, err := ask[Traffic](s.hub, "play")
	if err != nil {
		return err
	}
	wait(ctx, 6*time.Second)
	messages, bytes, err := s.rate(ctx, d)
	if err != nil {
		return err
	}
	messages, bytes = max(messages-idle, 0), max(bytes-idleBytes, 0)
	g, p := float64(t.Groups), float64(t.Players)
	r.GroupMessages, r.GroupBytes = messages/g, bytes/g
	r.PlayerMessages, r.PlayerBytes = messages/p, bytes/p
	return nil
}

// storm cuts all devices off that do not play, and waits until they are back. The others
// go on playing.
func (r *Result) storm(_ context.Context, s *site, _ time.Duration) error {
	if _, err := ask[Heard](s.devices, "mark"); err != nil {
		return err
	}
	began := time.Now()
	var err error
	if r.Cut, err = ask[int](s.devices, "cut"); err != nil {
		return err
	}
	if r.Storm, err = s.connected(began); err != nil {
		return err
	}
	h, err := ask[Heard](s.devices, "mark")
	r.HalfOpen, r.Chunks, r.Late, r.MinLead = h.HalfOpen, h.Chunks, h.Late, time.Duration(h.MinLead)*time.Microsecond
	return err
}

// kill kills a gateway and waits until its devices are on the others.
func (r *Result) kill(_ context.Context, s *site, _ time.Duration) error {
	began := time.Now()
	if err := s.gateways[0].Kill(); err != nil {
		return err
	}
	s.gateways = s.gateways[1:]
	// The devices notice at once: what is missing is what the dead one had.
	var err error
	if r.Orphans, err = ask[int](s.devices, "fallen"); err != nil {
		return err
	}
	r.Kill, err = s.connected(began)
	return err
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
