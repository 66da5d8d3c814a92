package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// keepLost is how long a service that is not heard of any more is listed, and how far
// back starts are counted.
const keepLost = time.Hour

// maxInstances bounds the memory of services that come and go.
const maxInstances = 256

// roll is what is remembered of service processes. It is plain data.
type roll struct {
	seen   map[string]*attendance // by instance key
	starts map[string][]time.Time // by service and host: within keepLost
}

type attendance struct {
	last *pb.Instance
	lost time.Time // zero while it beats
}

func newRoll() *roll { return &roll{seen: map[string]*attendance{}, starts: map[string][]time.Time{}} }

func place(v *pb.Instance) string { return v.GetService() + " " + v.GetHost() }

// serviceOf is the service of a place.
func serviceOf(place string) string {
	s, _, _ := strings.Cut(place, " ")
	return s
}

// call takes who is alive at now. The first call learns who is there: that nobody
// remembers them starting is no start.
func (r *roll) call(alive []*pb.Instance, now time.Time) {
	first := len(r.seen) == 0
	here := map[string]bool{}
	for _, v := range alive {
		key := v.GetService() + "." + v.GetInstanceId()
		here[key] = true
		if a := r.seen[key]; a != nil {
			a.last, a.lost = v, time.Time{}
			continue
		}
		if len(r.seen) >= maxInstances {
			continue
		}
		r.seen[key] = &attendance{last: v}
		if !first {
			r.starts[place(v)] = append(r.starts[place(v)], now)
		}
	}
	for key, a := range r.seen {
		if !here[key] && a.lost.IsZero() {
			a.lost = now
		}
		if !a.lost.IsZero() && (now.Sub(a.lost) > keepLost || r.followed(a)) {
			delete(r.seen, key)
		}
	}
	for p, at := range r.starts {
		at = slices.DeleteFunc(at, func(t time.Time) bool { return now.Sub(t) > keepLost })
		if r.starts[p] = at; len(at) == 0 {
			delete(r.starts, p)
		}
	}
}

// followed reports whether a younger process of the same service and host is alive.
func (r *roll) followed(a *attendance) bool {
	for _, b := range r.seen {
		if b.lost.IsZero() && place(b.last) == place(a.last) && b.last.GetStartedAt().AsTime().After(a.last.GetStartedAt().AsTime()) {
			return true
		}
	}
	return false
}

// list is every process, in the order of services.
func (r *roll) list() []model.ServiceHealth {
	processes := map[string]int{}
	process := func(v *pb.Instance) string {
		return fmt.Sprint(v.GetHost(), " ", v.GetBootId(), " ", v.GetLoad().GetPid())
	}
	for _, a := range r.seen {
		if a.lost.IsZero() && a.last.GetLoad() != nil {
			processes[process(a.last)]++
		}
	}
	out := make([]model.ServiceHealth, 0, len(r.seen))
	for _, a := range r.seen {
		v, l := a.last, a.last.GetLoad()
		h := model.ServiceHealth{
			Service: v.GetService(), InstanceID: v.GetInstanceId(), Version: v.GetVersion(), Host: v.GetHost(),
			StartedAt: v.GetStartedAt().AsTime(), Up: a.lost.IsZero(), Shared: processes[process(v)] > 1,
		}
		if h.Up {
			h.Ready, h.NotReady, h.Draining = readmodel.IsReady(v), v.GetReadiness().GetReason(), v.GetDraining()
		} else {
			h.LostAt = ptr(a.lost)
		}
		if h.Up && l != nil {
			h.CPU, h.CPUs, h.MemoryBytes, h.Goroutines, h.Sessions = l.GetCpu(), l.GetCpus(), l.GetMemoryBytes(), l.GetGoroutines(), l.Sessions
			h.Groups, h.Capacity = l.Groups, l.GetCapacity()
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b model.ServiceHealth) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.InstanceID, b.InstanceID))
	})
	return out
}
