package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/vitals"
	"github.com/tutti-audio/tutti/proto/instance"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"

	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/presence"
)

const (
	instanceTTL   = 15 * time.Second
	heartbeat     = 5 * time.Second
	eventsMaxAge  = 24 * time.Hour
	trustDelivery = time.Second
)

// retry calls f until it succeeds or ctx ends: at start the bus, or what others
// make on it, may not be there yet.
func retry[T any](ctx context.Context, s *Service, what string, f func(ctx context.Context) (T, error)) (T, error) {
	const retryMin, retryMax = 100 * time.Millisecond, 2 * time.Second
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		v, err := f(ctx)
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		s.setState(fmt.Errorf("gateway: %s: %w", what, err))
		s.log.Warn("waiting for the bus", "step", what, obs.KeyErr, err)
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-s.d.Clock.After(wait):
		}
	}
}

// openBuckets opens what this service writes.
func (s *Service) openBuckets(ctx context.Context) error {
	p, err := retry(ctx, s, "open the bucket of presence", func(ctx context.Context) (*bus.Bucket[tuttiv1.ClientPresence, *tuttiv1.ClientPresence], error) {
		return bus.OpenBucket[tuttiv1.ClientPresence](ctx, s.d.Bus, subject.BucketPresence, bus.BucketOptions{History: 1})
	})
	if err != nil {
		return err
	}
	s.board = presence.New(p, s.d.Clock, s.log)
	s.instances, err = retry(ctx, s, "open the bucket of instances", func(ctx context.Context) (*bus.Bucket[tuttiv1.Instance, *tuttiv1.Instance], error) {
		return bus.OpenBucket[tuttiv1.Instance](ctx, s.d.Bus, subject.BucketInstances, bus.BucketOptions{TTL: instanceTTL})
	})
	return err
}

// follow starts what the gateway hears on the bus. The stops are to be called in
// reverse order, also after an error.
func (s *Service) follow(ctx, base context.Context) (stops []func(), err error) {
	add := func(what string, f func(ctx context.Context) (func(), error)) {
		if err != nil {
			return
		}
		var stop func()
		if stop, err = retry(ctx, s, what, f); err == nil {
			stops = append(stops, stop)
		}
	}
	add("watch instances", func(ctx context.Context) (func(), error) { return s.watchInstances(ctx, base) })
	add("watch presence", func(context.Context) (func(), error) { return s.board.Watch(base) })
	if err == nil {
		s.sweep(ctx, true, everyone)
	}
	add("watch the server's settings", func(ctx context.Context) (func(), error) { return s.watchSettings(ctx, base) })
	add("watch what is set for clients", func(ctx context.Context) (func(), error) { return s.watchTunings(ctx, base) })
	add("make the stream of events", func(ctx context.Context) (func(), error) {
		return func() {}, s.d.Bus.EnsureStream(ctx, bus.StreamConfig{
			Name: subject.StreamEvents, Subjects: []string{subject.EventsAll}, MaxAge: eventsMaxAge,
		})
	})
	add("hear of trust", func(context.Context) (func(), error) {
		return s.d.Bus.Consume(base, subject.StreamEvents, bus.ConsumeOptions{Subject: subject.EventTrustAll, FromNew: true}, s.trustChanged)
	})
	add("answer for the list of sessions", func(context.Context) (func(), error) {
		return bus.HandleExclusive(s.d.Bus, subject.GatewayList, s.list)
	})
	return stops, err
}

// list answers subject.GatewayList.
func (s *Service) list(context.Context, *tuttiv1.ListSessionsRequest) (*tuttiv1.ListSessionsResponse, error) {
	return &tuttiv1.ListSessionsResponse{
		Sessions: uint32(s.hub.Len()), Handshakes: uint32(s.gate.Open()), Tapes: uint32(s.tapes.Len()),
	}, nil
}

func (s *Service) watchSettings(ctx, base context.Context) (func(), error) {
	b, err := bus.OpenBucket[tuttiv1.ServerSettings](ctx, s.d.Bus, subject.BucketSettings, bus.BucketOptions{})
	if err != nil {
		return nil, err
	}
	return b.Watch(base, subject.SettingsKey, func(e bus.Entry[*tuttiv1.ServerSettings]) {
		if e.Value != nil && e.Value.GetName() != "" {
			s.newSettings(e.Value)
		}
	}, nil)
}

// newSettings makes settings known to the sessions that they matter to.
func (s *Service) newSettings(v *tuttiv1.ServerSettings) {
	old := s.settings.Swap(v)
	s.trust.Expect(v.GetServerId())
	if old.GetRosterSeq() == v.GetRosterSeq() && old.GetRoster() == v.GetRoster() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), trustDelivery)
	defer cancel()
	for _, sess := range s.hub.All() {
		sess.SettingsChanged(ctx)
	}
}

// trustChanged makes the gateway ask pairing again. Where the session cannot take
// the news in time it is closed: trust fails shut.
func (s *Service) trustChanged(m bus.RawMsg) {
	ev := &tuttiv1.TrustChanged{}
	if err := proto.Unmarshal(m.Data, ev); err != nil || ev.GetClientId() == "" {
		s.log.Error("event of trust cannot be read", obs.KeySubject, m.Subject, obs.KeyErr, err)
		return
	}
	s.trust.Forget(ev.GetClientId())
	if sess := s.hub.Get(ev.GetClientId()); sess != nil {
		ctx, cancel := context.WithTimeout(context.Background(), trustDelivery)
		defer cancel()
		if err := sess.TrustChanged(ctx, ev); err != nil {
			sess.Close(machine.Close{Reason: machine.ReasonTrust, Detail: "the change of trust was not taken in time"})
		}
	}
	s.mu.Lock()
	d := s.dialer
	s.mu.Unlock()
	if d != nil && !ev.GetDisconnect() {
		d.Ask(ev.GetClientId())
	}
}

// sweep corrects records of sessions that nobody holds any more. At the start
// those of this instance are left from its run before.
func (s *Service) sweep(ctx context.Context, start bool, mine func(clientID string) bool) {
	s.board.Sweep(ctx, func(clientID, gatewayID string) bool {
		if gatewayID == s.cfg.InstanceID {
			return start
		}
		return !s.peers.alive(gatewayID) && mine(clientID) && !s.answers(ctx, clientID)
	})
}

// everyone's records are swept now and then by every gateway.
func everyone(string) bool { return true }

// heartbeat keeps this instance's record until ctx ends, then takes it away.
func (s *Service) heartbeat(ctx context.Context) {
	key := subject.InstanceKey(serviceName, s.cfg.InstanceID)
	meter := vitals.New()
	tick := s.d.Clock.NewTicker(heartbeat)
	defer tick.Stop()
	for ctx.Err() == nil {
		me := s.instance()
		me.Load, me.Readiness = s.load(meter), instance.Readiness(s.Ready())
		if _, err := s.instances.Put(ctx, key, me); err != nil && ctx.Err() == nil {
			s.log.Warn("instance record is not written", obs.KeyErr, err)
		}
		s.m.Tapes.Set(float64(s.tapes.Len()))
		if !s.untilBeat(ctx, tick) {
			break
		}
		s.sweep(ctx, false, everyone)
	}
	bye, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.instances.Delete(bye, key) // the TTL does it otherwise
}

// untilBeat waits for the next heartbeat, which is due at once when this gateway takes
// more or fewer sessions than before. Meanwhile it cleans up behind gateways that died:
// what is dealt to this one, so that not all gateways do the same.
func (s *Service) untilBeat(ctx context.Context, tick clockwork.Ticker) (goOn bool) {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.Chan():
			return true
		case <-s.beat:
			return true
		case <-s.died:
			s.sweep(ctx, false, s.peers.mine)
		}
	}
}

func (s *Service) instance() *tuttiv1.Instance {
	host, _ := os.Hostname()
	i := &tuttiv1.Instance{
		Service: serviceName, InstanceId: s.cfg.InstanceID, Version: s.cfg.Version,
		StartedAt: timestamppb.New(s.started), Host: host, BootId: houseclock.BootID(),
		SendspinPath: s.cfg.Path, Addresses: hostAddresses(), Draining: s.draining.Load(),
	}
	if _, port, err := net.SplitHostPort(s.Addr()); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			i.SendspinPort = uint32(n)
		}
	}
	return i
}

// hostAddresses are the addresses at which devices could reach this host.
func hostAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	return out
}

// load is what the heartbeat says of this process.
func (s *Service) load(m *vitals.Meter) *tuttiv1.InstanceLoad {
	l, sessions := m.Read(), uint32(s.hub.Len())
	return &tuttiv1.InstanceLoad{Cpu: l.CPU, Cpus: uint32(l.CPUs), MemoryBytes: l.Memory, Goroutines: uint32(l.Goroutines), Pid: uint32(l.PID), Sessions: &sessions, Capacity: uint32(s.cfg.MaxSessions)}
}
