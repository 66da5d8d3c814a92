package health

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

const (
	// SummaryEvery is how often a summary is sent.
	SummaryEvery = time.Minute
	// maxListed is how many findings a summary lists.
	maxListed = 50
	// maxParam bounds a value of an event in bytes.
	maxParam = 200
	// sendPatience is how long one event may take; what fails is sent after the next sample.
	sendPatience = 5 * time.Second
)

// Events are where health events go, and what they say of their sender.
type Events struct {
	// Send publishes an event and waits until it is stored. Required.
	Send func(ctx context.Context, subject string, m proto.Message) error
	// Venue names the deployment; may be empty.
	Venue string
	// InstanceID is this instance of management, Version its version.
	InstanceID, Version string
}

// carried are the params of findings that events hold. What is not here stays in the venue:
// errors of devices, files and services (withheld) may quote an address with a password.
var (
	carried = []string{"days", "fingerprint", "from", "high", "host", "late", "low", "ms", "n", "names", "percent", "service", "to", "us", "versions", "zone"}

	withheld = []string{"detail"}
)

// news is what the monitor found at one moment, for the crier. Nothing in it changes.
type news struct {
	at       time.Time
	findings []model.Finding
	alive    []*pb.Instance
	playing  int
}

func newsOf(at time.Time, findings []model.Finding, snap *readmodel.Snapshot) news {
	n := news{at: at, findings: findings, alive: snap.Alive}
	for _, g := range snap.Groups {
		if g.GetPlaybackState() == "playing" {
			n.playing++
		}
	}
	return n
}

// crier is the actor that sends health events. It has a mailbox of one: of news that wait
// the newest counts, for each is the whole state. A bus that is away keeps the crier
// waiting, and not the monitor.
type crier struct {
	o   Events
	log *slog.Logger
	// said are the findings that others know of, by id; nil while another instance speaks.
	said    map[string]*pb.HealthEvent
	last    time.Time // when the last summary was sent; zero: none was
	failing bool
}

func startCrier(sup *actor.Supervisor, o Options) (*actor.Ref[news], error) {
	return actor.Spawn(sup, actor.Options{Key: "health-events", Size: 1, Full: actor.DropOldest, Clock: o.Clock, Log: o.Log},
		func(*actor.Ref[news]) actor.Handler[news] { return &crier{o: *o.Events, log: o.Log} })
}

// spokesman is the instance of management that speaks for the deployment: the one that has
// been there for the longest time, of those that are ready and stay. All instances have the
// same heartbeats, so they agree but for moments; then an event is sent twice, or a summary
// comes some seconds late. "" when there is none. An older version, which says nothing of its
// readiness, sends no events and does not count.
func spokesman(alive []*pb.Instance) string {
	var first *pb.Instance
	for _, v := range alive {
		if v.GetService() != subject.Management || v.GetDraining() || !v.GetReadiness().GetReady() {
			continue
		}
		if first == nil || cmp.Or(v.GetStartedAt().AsTime().Compare(first.GetStartedAt().AsTime()), strings.Compare(v.GetInstanceId(), first.GetInstanceId())) < 0 {
			first = v
		}
	}
	return first.GetInstanceId()
}

// Handle implements actor.Handler. Trouble with the bus is no crash: what was not sent is
// still due when the next news come.
func (c *crier) Handle(ctx context.Context, n news) error {
	if spokesman(n.alive) != c.o.InstanceID {
		c.said, c.last = nil, time.Time{}
		return nil
	}
	if c.said == nil { // who begins to speak says everything: others know the findings by their ids
		c.said = map[string]*pb.HealthEvent{}
	}
	err := c.tell(ctx, n)
	if ctx.Err() != nil {
		return nil
	}
	switch {
	case err != nil && !c.failing:
		c.log.Warn("health events cannot be sent; they are tried again", obs.KeyErr, err)
	case err == nil && c.failing:
		c.log.Info("health events are sent again")
	}
	c.failing = err != nil
	return nil
}

func (c *crier) tell(ctx context.Context, n news) error {
	for _, e := range c.due(n) {
		if err := c.send(ctx, subject.EventHealthFinding(e.GetCode()), e); err != nil {
			return err
		}
		if c.said[e.GetFindingId()] = e; e.GetEnded() {
			delete(c.said, e.GetFindingId())
		}
	}
	// Samples come every FineStep and a little: half of one less keeps the pace.
	if since := n.at.Sub(c.last); !c.last.IsZero() && since >= 0 && since < SummaryEvery-FineStep/2 {
		return nil
	}
	if err := c.send(ctx, subject.EventHealthSummary, c.summary(n)); err != nil {
		return err
	}
	c.last = n.at
	return nil
}

func (c *crier) send(ctx context.Context, subj string, m proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	return c.o.Send(ctx, subj, m)
}

// due are the events that make others know what n says: what is new or changed, in the
// order of n, then what has ended.
func (c *crier) due(n news) []*pb.HealthEvent {
	var out []*pb.HealthEvent
	is := map[string]bool{}
	for _, f := range n.findings {
		is[f.FindingID] = true
		if was := c.said[f.FindingID]; was == nil || was.GetSeverity() != f.Severity || was.GetCode() != f.Code {
			out = append(out, c.event(n.at, f))
		}
	}
	var gone []string
	for id := range c.said {
		if !is[id] {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	for _, id := range gone {
		e := proto.CloneOf(c.said[id])
		e.Ended, e.At = true, timestamppb.New(n.at)
		e.EventId = eventID(e)
		out = append(out, e)
	}
	return out
}

func (c *crier) event(at time.Time, f model.Finding) *pb.HealthEvent {
	e := &pb.HealthEvent{
		Venue: c.o.Venue, InstanceId: c.o.InstanceID, At: timestamppb.New(at), FindingId: f.FindingID, Code: f.Code,
		Severity: f.Severity, Since: timestamppb.New(f.Since), Params: map[string]string{},
	}
	for _, k := range carried {
		if v, ok := f.Params[k]; ok {
			e.Params[k] = brief(fmt.Sprint(v))
		}
	}
	e.EventId = eventID(e)
	return e
}

// eventID is the same for the same news of one instance, so that what was sent twice is
// known again. Two instances may have seen a finding begin at different times.
func eventID(e *pb.HealthEvent) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d %t", e.GetVenue(), e.GetFindingId(), e.GetCode(), e.GetSeverity(), e.GetSince().AsTime().UnixMilli(), e.GetEnded()))
	return hex.EncodeToString(h[:12])
}

func brief(s string) string {
	if len(s) > maxParam {
		s = s[:maxParam]
	}
	return strings.ToValidUTF8(s, "") // a cut within a character leaves a part of it
}

func (c *crier) summary(n news) *pb.HealthSummary {
	s := &pb.HealthSummary{
		Venue: c.o.Venue, InstanceId: c.o.InstanceID, Version: c.o.Version, At: timestamppb.New(n.at),
		EverySeconds: uint32(SummaryEvery / time.Second), GroupsPlaying: uint32(n.playing),
	}
	for i, f := range n.findings {
		switch f.Severity {
		case model.SeveritySerious:
			s.Serious++
		case model.SeverityWarning:
			s.Warnings++
		default:
			s.Infos++
		}
		if i < maxListed {
			s.Findings = append(s.Findings, &pb.HealthFinding{FindingId: f.FindingID, Code: f.Code, Severity: f.Severity, Since: timestamppb.New(f.Since)})
		}
	}
	of := map[string]*pb.ServiceSummary{}
	for _, p := range parts {
		of[p.name] = &pb.ServiceSummary{Service: p.name}
		s.Services = append(s.Services, of[p.name])
	}
	for _, v := range n.alive {
		x := of[v.GetService()]
		if x == nil {
			continue
		}
		x.Instances++
		s.Sessions += v.GetLoad().GetSessions()
		switch {
		case v.GetDraining():
			x.Draining++
		case readmodel.IsReady(v):
			x.Ready++
		}
	}
	return s
}
