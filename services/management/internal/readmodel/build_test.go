package readmodel

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

func TestTrustOf(t *testing.T) {
	const (
		none       = pb.TrustState_TRUST_STATE_UNSPECIFIED
		paired     = pb.TrustState_TRUST_STATE_PAIRED
		approved   = pb.TrustState_TRUST_STATE_APPROVED
		unapproved = pb.TrustState_TRUST_STATE_UNAPPROVED
		mismatch   = pb.TrustState_TRUST_STATE_CREDENTIAL_MISMATCH
		denied     = pb.TrustState_TRUST_STATE_DENIED
	)
	for name, c := range map[string]struct {
		p    *pb.ClientPresence
		t    *pb.TrustRecord
		want string
	}{
		"record alone":                     {nil, &pb.TrustRecord{State: approved}, model.TrustApproved},
		"presence alone":                   {&pb.ClientPresence{Trust: paired}, nil, model.TrustPaired},
		"nothing said":                     {&pb.ClientPresence{}, &pb.TrustRecord{}, model.TrustUnapproved},
		"the record counts":                {&pb.ClientPresence{Trust: approved}, &pb.TrustRecord{State: denied}, model.TrustDenied},
		"paired, but Sentinel matched":     {&pb.ClientPresence{Connected: true, CredentialMismatch: true}, &pb.TrustRecord{State: paired}, model.TrustMismatch},
		"an old mismatch of a gone device": {&pb.ClientPresence{CredentialMismatch: true}, &pb.TrustRecord{State: paired}, model.TrustPaired},
		"a mismatch does not raise":        {&pb.ClientPresence{Connected: true, CredentialMismatch: true}, &pb.TrustRecord{State: unapproved}, model.TrustUnapproved},
		"record says mismatch":             {nil, &pb.TrustRecord{State: mismatch}, model.TrustMismatch},
		"unspecified record":               {&pb.ClientPresence{Trust: approved}, &pb.TrustRecord{State: none}, model.TrustApproved},
	} {
		if got := trustOf(c.p, c.t); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPositionAt(t *testing.T) {
	at := time.Unix(5000, 0)
	playing := &pb.NowPlaying{DurationMs: 10_000, PositionMs: 1000, AtUs: 1_000_000, At: timestamppb.New(at), Speed: 1000}
	paused := proto.Clone(playing).(*pb.NowPlaying)
	paused.Speed = 0
	endless := proto.Clone(playing).(*pb.NowPlaying)
	endless.DurationMs = 0
	for name, c := range map[string]struct {
		n    *pb.NowPlaying
		now  Now
		want int64
	}{
		"plays on":            {playing, Now{HouseUS: 3_500_000}, 3500},
		"before its start":    {playing, Now{HouseUS: 500_000}, 1000},
		"not past the end":    {playing, Now{HouseUS: 99_000_000}, 10_000},
		"paused":              {paused, Now{HouseUS: 99_000_000}, 1000},
		"without a length":    {endless, Now{HouseUS: 99_000_000}, 99_000},
		"without house clock": {playing, Now{Wall: at.Add(2 * time.Second)}, 3000},
	} {
		if got := positionAt(c.n, c.now); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestStateMergesInAnyOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newState()
	s.putGroup("g1", &pb.Group{GroupId: "g1", Members: []string{"c"}})
	snap, _ := s.flush(&Snapshot{}, now)
	if snap.Client("c") != nil {
		t.Error("a member that nobody knows became a client")
	}
	s.putTrust("c", &pb.TrustRecord{State: pb.TrustState_TRUST_STATE_APPROVED, Label: "L"})
	snap, _ = s.flush(snap, now)
	if c := snap.Client("c"); c == nil || c.GroupID != "g1" || c.Label != "L" || c.Connected {
		t.Errorf("client = %+v", c)
	}
	s.putPresence("c", &pb.ClientPresence{Connected: true, Name: "N"})
	before := snap
	snap, changes := s.flush(snap, now)
	if c := snap.Client("c"); !c.Connected || c.Name != "N" || len(changes) != 2 || changes[0].kind != EventClientUpdated || changes[1].kind != EventGroupUpdated {
		t.Errorf("client = %+v, changes %+v", c, changes)
	}
	if before.Client("c").Connected {
		t.Error("a published snapshot changed")
	}
	// The same again is no change.
	s.putPresence("c", &pb.ClientPresence{Connected: true, Name: "N"})
	if _, changes = s.flush(snap, now.Add(time.Hour)); len(changes) != 0 {
		t.Errorf("changes = %+v", changes)
	}
	s.putPresence("c", nil)
	s.putTrust("c", nil)
	if snap, changes = s.flush(snap, now); snap.Client("c") != nil || len(changes) != 1 || changes[0].kind != EventClientRemoved {
		t.Errorf("changes = %+v", changes)
	}
	if s.dirty() {
		t.Error("still dirty after a flush")
	}
}

func TestALastingGroupCountsWhileAMoveIsUnderWay(t *testing.T) {
	s := newState()
	s.putTrust("c", &pb.TrustRecord{})
	s.putGroup("a-solo", &pb.Group{GroupId: "a-solo", Solo: true, Members: []string{"c"}})
	s.putGroup("named", &pb.Group{GroupId: "named", Members: []string{"c"}})
	snap, _ := s.flush(&Snapshot{}, time.Unix(0, 0))
	if g := snap.Client("c").GroupID; g != "named" {
		t.Errorf("group_id = %q", g)
	}
	s.putGroup("named", nil)
	snap, _ = s.flush(snap, time.Unix(0, 0))
	if g := snap.Client("c").GroupID; g != "a-solo" {
		t.Errorf("group_id = %q", g)
	}
}

func TestSignificant(t *testing.T) {
	base := func() *model.Client {
		return &model.Client{ClientID: "c", Player: &model.Player{BufferedMS: 1}, Sync: &model.Sync{RTTUS: 1}}
	}
	a, b := base(), base()
	b.Player.BufferedMS, b.Player.ChunksSent, b.Sync.RTTUS, b.LastSeenAt = 9, 9, 9, time.Unix(9, 0)
	if significant(a, b) {
		t.Error("counters are significant")
	}
	if !reflect.DeepEqual(a, base()) {
		t.Error("the comparison changed what it compared")
	}
	v := int32(3)
	b.Player.Volume = &v
	if !significant(a, b) {
		t.Error("a volume is not significant")
	}
}

func TestInstancesComeAndGo(t *testing.T) {
	s := newState()
	s.putInstance("stream.1", &pb.Instance{Service: "stream", InstanceId: "1"})
	snap, changes := s.flush(&Snapshot{}, time.Unix(0, 0))
	if len(snap.Instances) != 1 || len(changes) != 1 {
		t.Errorf("%+v, %+v", snap.Instances, changes)
	}
	s.putInstance("stream.1", &pb.Instance{Service: "stream", InstanceId: "1"}) // a heartbeat
	if s.dirty() {
		t.Error("a heartbeat is a change")
	}
	s.putInstance("stream.1", &pb.Instance{Service: "stream", InstanceId: "1", Load: &pb.InstanceLoad{Cpu: 0.5}})
	if snap, changes = s.flush(snap, time.Unix(0, 0)); len(changes) != 0 || snap.Alive[0].GetLoad().GetCpu() != 0.5 {
		t.Errorf("a new load: changes %+v, alive %+v", changes, snap.Alive)
	}
	s.putInstance("stream.1", &pb.Instance{Service: "stream", InstanceId: "1", Draining: true, Load: &pb.InstanceLoad{Capacity: 7}, Readiness: &pb.Readiness{Reason: "no bus"}})
	snap, changes = s.flush(snap, time.Unix(0, 0))
	if i := snap.Instances[0]; len(changes) != 1 || i.Ready || i.NotReady != "no bus" || !i.Draining || i.Capacity != 7 {
		t.Errorf("one that is not ready: changes %+v, instance %+v", changes, i)
	}
	s.putInstance("stream.1", nil)
	if snap, _ = s.flush(snap, time.Unix(0, 0)); len(snap.Instances) != 0 {
		t.Errorf("%+v", snap.Instances)
	}
}
