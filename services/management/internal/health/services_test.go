package health

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

func process(service, id string, started time.Time) *pb.Instance {
	return &pb.Instance{Service: service, InstanceId: id, Version: "1.0", Host: "h", StartedAt: timestamppb.New(started),
		Load: &pb.InstanceLoad{Cpu: 0.5, Cpus: 4, Pid: 7}}
}

func TestALostServiceIsListedForAnHour(t *testing.T) {
	r := newRoll()
	r.call([]*pb.Instance{process("stream", "1", base), process("pairing", "1", base)}, base)
	r.call([]*pb.Instance{process("stream", "1", base)}, base.Add(time.Minute))
	got := r.list()
	if len(got) != 2 || got[0].Service != "pairing" || got[0].Up || !got[0].LostAt.Equal(base.Add(time.Minute)) || !got[1].Up || got[1].CPU != 0.5 {
		t.Errorf("list %+v", got)
	}
	r.call([]*pb.Instance{process("stream", "1", base)}, base.Add(2*time.Hour))
	if got := r.list(); len(got) != 1 {
		t.Errorf("list after two hours %+v", got)
	}
}

func TestAYoungerProcessTakesThePlace(t *testing.T) {
	r := newRoll()
	for i := range 4 {
		now := base.Add(time.Duration(i) * time.Minute)
		r.call([]*pb.Instance{process("stream", string(rune('a'+i)), now)}, now)
	}
	if got := r.list(); len(got) != 1 || got[0].InstanceID != "d" {
		t.Errorf("list %+v", got)
	}
	if n := len(r.starts["stream h"]); n != 3 {
		t.Errorf("%d starts, want 3: nobody saw the first", n)
	}
}

func TestServicesOfOneProcessShareItsLoad(t *testing.T) {
	r := newRoll()
	alone := process("stream", "2", base)
	alone.Load.Pid = 8
	r.call([]*pb.Instance{process("stream", "1", base), process("pairing", "1", base), alone}, base)
	got := r.list()
	if !got[0].Shared || !got[1].Shared || got[2].Shared {
		t.Errorf("list %+v", got)
	}
}

// A process that is alive may be of no use; one of an older version does not say.
func TestReadinessIsOfProcessesThatAreUp(t *testing.T) {
	r := newRoll()
	ready, waits := process("stream", "1", base), process("stream", "2", base)
	ready.Readiness, waits.Readiness = &pb.Readiness{Ready: true}, &pb.Readiness{Reason: "no bus"}
	waits.Load = nil
	old := process("stream", "3", base)
	r.call([]*pb.Instance{ready, waits, old}, base)
	for i, want := range []struct {
		ready bool
		why   string
	}{{true, ""}, {false, "no bus"}, {true, ""}} {
		if got := r.list()[i]; got.Ready != want.ready || got.NotReady != want.why {
			t.Errorf("%s: %+v", got.InstanceID, got)
		}
	}
	r.call(nil, base.Add(time.Minute))
	for _, s := range r.list() {
		if s.Ready || s.NotReady != "" {
			t.Errorf("lost, and still %+v", s)
		}
	}
}
