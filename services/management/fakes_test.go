package management_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// fakes stand in for the services behind the API: they answer on the real
// subjects and write the real buckets, with the least state that does it.
type fakes struct {
	breakSnapshot atomic.Bool // the further pages of a snapshot do not come

	t        *testing.T
	bus      *bus.Conn
	house    *houseclock.Manual
	presence *bus.Bucket[pb.ClientPresence, *pb.ClientPresence]
	trust    *bus.Bucket[pb.TrustRecord, *pb.TrustRecord]
	groups   *bus.Bucket[pb.Group, *pb.Group]
	settings *bus.Bucket[pb.ServerSettings, *pb.ServerSettings]
	tuning   *bus.Bucket[pb.ClientTuning, *pb.ClientTuning]

	mu       sync.Mutex
	audit    []*pb.AuditEvent
	commands []*pb.SessionCommand
	nextItem int // of queues
	nextID   int
	services map[string]*bus.Service
	carried  map[string]func() (*pb.GroupReply, error) // commands to groups, by their ids
	raceTune func()                                    // runs before a tuning is written
	onForget func()                                    // runs when a client was forgotten
	pairing  fakePairing
	later    sync.WaitGroup
	hold     chan struct{} // when set, handlers wait for it
	sick     error         // when set, handlers answer with it
}

// slowPlayers is a group whose players report a while after a command.
const slowPlayers = "Slow players"

func startFakes(t *testing.T, c *bus.Conn, house *houseclock.Manual) *fakes {
	t.Helper()
	f := &fakes{t: t, bus: c, house: house, services: map[string]*bus.Service{}, carried: map[string]func() (*pb.GroupReply, error){}}
	t.Cleanup(f.later.Wait)
	ctx := t.Context()
	var err error
	must := func(e error) {
		if e != nil {
			t.Fatalf("start fakes: %v", e)
		}
	}
	f.presence, err = bus.OpenBucket[pb.ClientPresence](ctx, c, subject.BucketPresence, bus.BucketOptions{})
	must(err)
	f.trust, err = bus.OpenBucket[pb.TrustRecord](ctx, c, subject.BucketTrust, bus.BucketOptions{})
	must(err)
	f.groups, err = bus.OpenBucket[pb.Group](ctx, c, subject.BucketGroups, bus.BucketOptions{})
	must(err)
	f.tuning, err = bus.OpenBucket[pb.ClientTuning](ctx, c, subject.BucketTuning, bus.BucketOptions{History: 1})
	must(err)
	f.settings, err = bus.OpenBucket[pb.ServerSettings](ctx, c, subject.BucketSettings, bus.BucketOptions{})
	must(err)
	must(c.EnsureStream(ctx, bus.StreamConfig{Name: subject.StreamEvents, Subjects: []string{subject.EventsAll}, MaxAge: time.Hour}))
	_, err = f.settings.Put(ctx, subject.SettingsKey, &pb.ServerSettings{ServerId: clientID("server"), Name: "Tutti", Languages: []string{"en"}, PairingPolicy: "required", SealingKey: f.makeSealingKey()})
	must(err)
	f.startPairing()
	f.startAttempts()
	f.startPersonas()
	f.startStream()
	f.startDiscovery()
	return f
}

// clientID is a valid key that a test can name.
func clientID(name string) string {
	h := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func (f *fakes) service(name string) *bus.Service {
	s, err := f.bus.NewService(name, "1.0.0", name+"-1")
	if err != nil {
		f.t.Fatalf("service %s: %v", name, err)
	}
	f.mu.Lock()
	f.services[name] = s
	f.mu.Unlock()
	f.t.Cleanup(func() { f.kill(name) })
	return s
}

// kill ends a service, as if its process had died.
func (f *fakes) kill(name string) {
	f.mu.Lock()
	s := f.services[name]
	delete(f.services, name)
	f.mu.Unlock()
	if s != nil {
		_ = s.Stop()
	}
}

// hang makes every handler silent until the returned release is called.
func (f *fakes) hang() (release func()) {
	ch := make(chan struct{})
	f.mu.Lock()
	f.hold = ch
	f.mu.Unlock()
	return sync.OnceFunc(func() {
		f.mu.Lock()
		f.hold = nil
		f.mu.Unlock()
		close(ch)
	})
}

func (f *fakes) pass() {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func handle[Req, Resp any, PReq interface {
	*Req
	proto.Message
}, PResp interface {
	*Resp
	proto.Message
}](f *fakes, s *bus.Service, subj string, h func(ctx context.Context, r PReq) (PResp, error)) {
	err := bus.Handle(s, subj, func(ctx context.Context, r PReq) (PResp, error) {
		f.pass()
		f.mu.Lock()
		sick := f.sick
		f.mu.Unlock()
		if sick != nil {
			return nil, sick
		}
		return h(ctx, r)
	})
	if err != nil {
		f.t.Fatalf("handle %s: %v", subj, err)
	}
}

func (f *fakes) startPairing() {
	s := f.service("pairing")
	f.startVault(s)
	decide := func(state pb.TrustState, waiting, kind string) func(context.Context, *pb.ClientRequest) (*pb.TrustRecord, error) {
		return func(ctx context.Context, r *pb.ClientRequest) (*pb.TrustRecord, error) {
			return f.changeTrust(ctx, r.GetClientId(), r.GetActor(), kind, func(t *pb.TrustRecord) { t.State, t.WaitingReason = state, waiting })
		}
	}
	handle(f, s, subject.PairingApprove, func(ctx context.Context, r *pb.ApproveRequest) (*pb.TrustRecord, error) {
		return f.changeTrust(ctx, r.GetClientId(), r.GetActor(), "client.approved", func(t *pb.TrustRecord) {
			t.State, t.WaitingReason, t.SourceAllowed = pb.TrustState_TRUST_STATE_APPROVED, "", r.GetSource()
			t.ControllerAllowed, t.ApprovalEndsAt, t.ApprovalUntilDisconnect = r.GetController(), r.GetEndsAt(), r.GetUntilDisconnect()
			t.Warning, t.Blocked = "", false
			if r.GetLabel() != "" {
				t.Label = r.GetLabel()
			}
		})
	})
	handle(f, s, subject.PairingBlock, func(ctx context.Context, r *pb.ClientRequest) (*pb.TrustRecord, error) {
		return f.changeTrust(ctx, r.GetClientId(), r.GetActor(), "client.blocked", func(t *pb.TrustRecord) {
			t.State, t.WaitingReason, t.Blocked = pb.TrustState_TRUST_STATE_DENIED, "", true
		})
	})
	handle(f, s, subject.PairingUnpair, func(ctx context.Context, r *pb.ClientRequest) (*pb.TrustRecord, error) {
		if t, _, err := f.trust.Get(ctx, r.GetClientId()); err != nil || !t.GetPaired() {
			return nil, fault.New(fault.Conflict, "the device is not paired")
		}
		return f.changeTrust(ctx, r.GetClientId(), r.GetActor(), "client.unpaired", func(t *pb.TrustRecord) {
			t.State, t.Paired, t.Unpairing = pb.TrustState_TRUST_STATE_UNAPPROVED, false, true
		})
	})
	handle(f, s, subject.PairingDeny, decide(pb.TrustState_TRUST_STATE_DENIED, "", "client.denied"))
	handle(f, s, subject.PairingRevoke, decide(pb.TrustState_TRUST_STATE_UNAPPROVED, "revoked", "client.revoked"))
	handle(f, s, subject.PairingForget, func(ctx context.Context, r *pb.ClientRequest) (*pb.Empty, error) {
		f.append(ctx, r.GetActor(), "client.forgotten", r.GetClientId(), "")
		if err := f.trust.Delete(ctx, r.GetClientId()); err != nil {
			return nil, err
		}
		if err := f.endSession(ctx, r.GetClientId()); err != nil {
			return nil, err
		}
		if f.onForget != nil {
			f.onForget()
		}
		return &pb.Empty{}, nil
	})
	handle(f, s, subject.PairingLabel, func(ctx context.Context, r *pb.SetLabelRequest) (*pb.TrustRecord, error) {
		return f.changeTrust(ctx, r.GetClientId(), r.GetActor(), "client.labelled", func(t *pb.TrustRecord) { t.Label = r.GetLabel() })
	})
	handle(f, s, subject.PairingSettings, func(ctx context.Context, r *pb.UpdateSettingsRequest) (*pb.ServerSettings, error) {
		v, _, err := f.settings.Get(ctx, subject.SettingsKey)
		if err != nil {
			return nil, err
		}
		if r.Name != nil {
			v.Name = r.GetName()
		}
		if r.GetSetLanguages() {
			v.Languages = r.GetLanguages()
		}
		if r.PairingPolicy != nil {
			v.PairingPolicy = r.GetPairingPolicy()
		}
		if r.ControllerPolicy != nil {
			v.ControllerPolicy = r.GetControllerPolicy()
		}
		_, err = f.settings.Put(ctx, subject.SettingsKey, v)
		return v, err
	})
	handle(f, s, subject.PairingAuditAppend, func(ctx context.Context, r *pb.AuditAppendRequest) (*pb.AuditEvent, error) {
		return f.append(ctx, r.GetActor(), r.GetKind(), r.GetClientId(), r.GetDetail()), nil
	})
	handle(f, s, subject.PairingAuditList, func(_ context.Context, r *pb.AuditListRequest) (*pb.AuditListResponse, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := &pb.AuditListResponse{}
		for _, e := range f.audit {
			if e.GetId() > r.GetSince() && len(out.Events) < int(r.GetLimit()) {
				out.Events = append(out.Events, e)
			}
		}
		return out, nil
	})
}

// endSession is what the gateway does when it hears that a client was forgotten.
func (f *fakes) endSession(ctx context.Context, id string) error {
	p, _, err := f.presence.Get(ctx, id)
	if fault.CodeOf(err) == fault.NotFound || err == nil && !p.GetConnected() {
		return nil
	}
	if err != nil {
		return err
	}
	p.Connected = false
	_, err = f.presence.Put(ctx, id, p)
	return err
}

func (f *fakes) changeTrust(ctx context.Context, id, actor, kind string, change func(*pb.TrustRecord)) (*pb.TrustRecord, error) {
	t, _, err := f.trust.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	change(t)
	f.append(ctx, actor, kind, id, "")
	_, err = f.trust.Put(ctx, id, t)
	return t, err
}

func (f *fakes) append(ctx context.Context, actor, kind, id, detail string) *pb.AuditEvent {
	f.mu.Lock()
	e := &pb.AuditEvent{Id: uint64(len(f.audit) + 1), At: timestamppb.Now(), Actor: actor, Kind: kind, ClientId: id, Detail: detail}
	f.audit = append(f.audit, e)
	f.mu.Unlock()
	_ = f.bus.PublishEvent(ctx, subject.EventAudit, e)
	return e
}

// audited lists the kinds of the ledger's lines with their actors.
func (f *fakes) audited() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, e := range f.audit {
		out = append(out, e.GetActor()+" "+e.GetKind())
	}
	return out
}

func (f *fakes) startDiscovery() {
	s := f.service("discovery")
	sightings, err := bus.OpenBucket[pb.Sighting](f.t.Context(), f.bus, subject.BucketSightings, bus.BucketOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	handle(f, s, subject.DiscoveryRemove, func(ctx context.Context, r *pb.RemoveStaticRequest) (*pb.Empty, error) {
		v, _, err := sightings.Get(ctx, r.GetKey())
		switch {
		case err != nil:
			return nil, err
		case v.GetVia() != "api":
			return nil, fault.New(fault.Conflict, "the address %s is in the configuration: take it out there", v.GetUrl())
		}
		return &pb.Empty{}, sightings.Delete(ctx, r.GetKey())
	})
	handle(f, s, subject.DiscoveryAdd, func(ctx context.Context, r *pb.AddStaticRequest) (*pb.Sighting, error) {
		v := &pb.Sighting{Key: "addr-" + clientID(r.GetUrl())[:20], Url: r.GetUrl(), Via: "api", Present: true, FirstSeen: timestamppb.Now()}
		_, err := sightings.Put(ctx, v.GetKey(), v)
		return v, err
	})
}

func (f *fakes) startStream() {
	s := f.service("stream")
	handle(f, s, subject.StreamCreateGroup, func(ctx context.Context, r *pb.CreateGroupRequest) (*pb.GroupReply, error) {
		f.mu.Lock()
		f.nextID++
		id := fmt.Sprintf("g%d", f.nextID)
		f.mu.Unlock()
		for _, m := range r.GetMembers() {
			if err := f.leave(ctx, m); err != nil {
				return nil, err
			}
		}
		g := &pb.Group{GroupId: id, Name: r.GetName(), Members: r.GetMembers(), PlaybackState: "stopped", Repeat: "off", QueueIndex: -1, Volume: 40}
		_, err := f.groups.Put(ctx, id, g)
		return &pb.GroupReply{Group: g}, err
	})
	handle(f, s, subject.StreamDeleteGroup, func(ctx context.Context, r *pb.GroupRequest) (*pb.Empty, error) {
		if _, err := f.group(ctx, r.GetGroupId()); err != nil {
			return nil, err
		}
		return &pb.Empty{}, f.groups.Delete(ctx, r.GetGroupId())
	})
	handle(f, s, subject.StreamAddMember, func(ctx context.Context, r *pb.GroupMemberRequest) (*pb.GroupReply, error) {
		if err := f.leave(ctx, r.GetClientId()); err != nil {
			return nil, err
		}
		return f.changeGroup(ctx, r.GetGroupId(), func(g *pb.Group) error { g.Members = append(g.Members, r.GetClientId()); return nil })
	})
	handle(f, s, subject.StreamRemoveMember, func(ctx context.Context, r *pb.GroupMemberRequest) (*pb.GroupReply, error) {
		return f.changeGroup(ctx, r.GetGroupId(), func(g *pb.Group) error {
			g.Members = slices.DeleteFunc(g.Members, func(m string) bool { return m == r.GetClientId() })
			return nil
		})
	})
	handle(f, s, subject.StreamForgetClient, func(ctx context.Context, r *pb.ForgetClientRequest) (*pb.Empty, error) {
		_ = f.tuning.Delete(ctx, r.GetClientId())
		return &pb.Empty{}, f.leave(ctx, r.GetClientId())
	})
	handle(f, s, subject.StreamTune, func(ctx context.Context, r *pb.TuneRequest) (*pb.ClientTuning, error) {
		t := r.GetTuning()
		if t.VolumeMin != nil && t.VolumeMax != nil && *t.VolumeMin > *t.VolumeMax {
			return nil, fault.New(fault.OutOfRange, "volume_min is above volume_max").WithField("body.volume_min", "out of range")
		}
		if f.raceTune != nil {
			f.raceTune()
		}
		var err error
		if proto.Equal(t, &pb.ClientTuning{ClientId: t.GetClientId()}) { // as the bucket's keeper: nothing is set
			return t, f.tuning.Delete(ctx, t.GetClientId())
		}
		if r.GetRevision() == 0 {
			_, err = f.tuning.Create(ctx, t.GetClientId(), t)
		} else {
			_, err = f.tuning.Update(ctx, t.GetClientId(), t, r.GetRevision())
		}
		return t, err
	})
	handle(f, s, subject.StreamLibrary, func(_ context.Context, r *pb.LibraryRequest) (*pb.LibraryResponse, error) {
		if strings.HasPrefix(r.GetPath(), "..") {
			return nil, fault.New(fault.Forbidden, "%s: outside the music folder", r.GetPath())
		}
		if r.GetPath() != "" && r.GetPath() != "Blue" {
			return nil, fault.New(fault.NotFound, "there is no folder %q in the music folder", r.GetPath())
		}
		return &pb.LibraryResponse{Path: r.GetPath(), Entries: []*pb.LibraryEntry{
			{Name: "Blue", Path: "Blue", Folder: true},
			{Name: "a.flac", Path: "a.flac", Title: "A", DurationMs: 1000, SampleRate: 44100, BitDepth: 16, Channels: 2},
			{Name: "b.flac", Path: "b.flac", Error: "is no FLAC file"},
		}}, nil
	})
	handle(f, s, subject.StreamSearch, func(_ context.Context, r *pb.SearchRequest) (*pb.LibraryResponse, error) {
		if r.GetQuery() == "!" {
			return nil, fault.New(fault.OutOfRange, "there is nothing to search for").WithField("query.q", "holds no word")
		}
		all := []*pb.LibraryEntry{{Name: "Blue", Path: "Blue", Folder: true}, {Name: "a.flac", Path: "a.flac", Title: "A", Track: 3, Codec: "flac", Cover: true}}
		return &pb.LibraryResponse{Found: 2, Entries: all[:min(len(all), int(r.GetLimit()))]}, nil
	})
	var rescans atomic.Int64 // the health monitor asks, too
	handle(f, s, subject.StreamLibraryStatus, func(_ context.Context, r *pb.LibraryStatusRequest) (*pb.LibraryStatus, error) {
		if r.GetRescan() {
			rescans.Add(1)
		}
		return &pb.LibraryStatus{State: "scanning", FilesFound: 10 + rescans.Load(), FilesRead: 4, Decoders: []string{"flac"}, Encoders: []string{"pcm", "flac"}, ScannedAt: timestamppb.Now()}, nil
	})
	handle(f, s, subject.StreamCommand, f.command)
	f.startSchedules(s)
}

// command carries a command out once, however often it comes: one whose answer takes a
// moment is sent again, with the same id.
func (f *fakes) command(ctx context.Context, r *pb.GroupCommand) (*pb.GroupReply, error) {
	f.mu.Lock()
	do := f.carried[r.GetCommandId()]
	if do == nil {
		ctx := context.WithoutCancel(ctx)
		do = sync.OnceValues(func() (*pb.GroupReply, error) { return f.carryOut(ctx, r) })
		f.carried[r.GetCommandId()] = do
	}
	f.mu.Unlock()
	return do()
}

func (f *fakes) carryOut(ctx context.Context, r *pb.GroupCommand) (*pb.GroupReply, error) {
	return f.changeGroup(ctx, r.GetGroupId(), func(g *pb.Group) error {
		switch c := r.GetCommand().(type) {
		case *pb.GroupCommand_Play:
			if c.Play.GetUri() == "" && g.GetSource() == "" {
				return fault.New(fault.Conflict, "group %q has nothing to resume; name a uri", g.GetName())
			}
			if u := c.Play.GetUri(); u != "" {
				if strings.HasPrefix(u, "missing") {
					return fault.New(fault.NotFound, "there is no file %q in the music folder", u)
				}
				g.Source, g.Queue, g.QueueIndex = u, []*pb.QueueItem{{Id: "q1", Uri: u, Title: u}}, 0
			}
			g.PlaybackState, g.Paused = "playing", false
			g.NowPlaying = &pb.NowPlaying{Title: g.GetSource(), DurationMs: 60_000, PositionMs: 1000, AtUs: f.house.NowMicros(), Speed: 1000}
		case *pb.GroupCommand_Pause:
			g.PlaybackState, g.Paused = "stopped", true
			g.NowPlaying.Speed = 0
		case *pb.GroupCommand_Stop:
			g.PlaybackState, g.Paused, g.NowPlaying = "stopped", false, nil
		case *pb.GroupCommand_SeekMs:
			if g.GetNowPlaying() == nil {
				return fault.New(fault.Conflict, "group %q plays nothing that could be sought in", g.GetName())
			}
			g.NowPlaying.PositionMs, g.NowPlaying.AtUs = c.SeekMs, f.house.NowMicros()
		case *pb.GroupCommand_Volume:
			g.Volume = c.Volume
		case *pb.GroupCommand_Mute:
			if g.GetName() == slowPlayers { // the group is muted when its players say so
				f.later.Go(func() {
					_, _ = f.changeGroup(context.WithoutCancel(ctx), r.GetGroupId(), func(g *pb.Group) error { g.Muted = c.Mute; return nil })
				})
				return nil
			}
			g.Muted = c.Mute
		case *pb.GroupCommand_Repeat:
			g.Repeat = c.Repeat
		case *pb.GroupCommand_Shuffle:
			g.Shuffle = c.Shuffle
		case *pb.GroupCommand_Rename:
			g.Name = c.Rename
		case *pb.GroupCommand_Enqueue:
			at := len(g.GetQueue())
			if c.Enqueue.Index != nil {
				at = int(c.Enqueue.GetIndex())
			}
			if c.Enqueue.GetAt() == "next" {
				at = int(g.GetQueueIndex()) + 1
			}
			for i, u := range c.Enqueue.GetUris() {
				f.nextItem++
				g.Queue = slices.Insert(g.Queue, at+i, &pb.QueueItem{Id: fmt.Sprint("q", f.nextItem+100), Uri: u})
			}
		case *pb.GroupCommand_Settings:
			if c.Settings.CrossfadeMs != nil {
				g.CrossfadeMs = c.Settings.GetCrossfadeMs()
			}
			if c.Settings.Normalization != nil {
				g.Normalization = c.Settings.GetNormalization()
			}
		case *pb.GroupCommand_Announce:
			if c.Announce.GetUri() == "full.flac" && len(g.GetAnnouncements()) > 0 {
				return fault.New(fault.Conflict, "16 announcements wait in this group already")
			}
			x := &pb.Announcement{AnnouncementId: c.Announce.GetAnnouncementId(), State: "playing", Uri: c.Announce.GetUri(), Text: c.Announce.GetText() + c.Announce.GetLanguage(),
				Players: []*pb.AnnouncementPlayer{{ClientId: "p", State: "partly", SentMs: 700, Reason: "it joined late"}}}
			g.Announcement, g.Announcements = x, append([]*pb.Announcement{x}, g.Announcements...)
		case *pb.GroupCommand_CancelAnnouncement:
			for _, x := range g.Announcements {
				if x.GetAnnouncementId() == c.CancelAnnouncement {
					x.State = "cancelled"
					g.Announcement = x
					return nil
				}
			}
			return fault.New(fault.NotFound, "there is no announcement %q", c.CancelAnnouncement)
		case *pb.GroupCommand_RemoveItem:
			i, err := item(g, c.RemoveItem)
			if err != nil {
				return err
			}
			g.Queue = slices.Delete(g.Queue, i, i+1)
		case *pb.GroupCommand_MoveItem:
			i, err := item(g, c.MoveItem.GetItemId())
			if err != nil {
				return err
			}
			it := g.Queue[i]
			g.Queue = slices.Insert(slices.Delete(g.Queue, i, i+1), int(c.MoveItem.GetIndex()), it)
		case *pb.GroupCommand_Jump:
			i, err := item(g, c.Jump)
			if err != nil {
				return err
			}
			g.QueueIndex, g.PlaybackState = int32(i), "playing"
			g.History = append([]*pb.HistoryItem{{Item: g.Queue[i], PlayedMs: 1500, PlayedAt: timestamppb.Now()}}, g.History...)
		case *pb.GroupCommand_ClearQueue:
			g.Queue, g.QueueIndex = nil, -1
		}
		return nil
	})
}

// item finds a title of a queue.
func item(g *pb.Group, id string) (int, error) {
	for i, it := range g.GetQueue() {
		if it.GetId() == id {
			return i, nil
		}
	}
	return 0, fault.New(fault.NotFound, "there is no title %q in the queue", id)
}

func (f *fakes) group(ctx context.Context, id string) (*pb.Group, error) {
	g, _, err := f.groups.Get(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "there is no group %q", id)
	}
	return g, err
}

func (f *fakes) changeGroup(ctx context.Context, id string, change func(*pb.Group) error) (*pb.GroupReply, error) {
	for {
		g, rev, err := f.groups.Get(ctx, id)
		if fault.CodeOf(err) == fault.NotFound {
			return nil, fault.New(fault.NotFound, "there is no group %q", id)
		}
		if err != nil {
			return nil, err
		}
		if err := change(g); err != nil {
			return nil, err
		}
		_, err = f.groups.Update(ctx, id, g, rev)
		if fault.CodeOf(err) == fault.Conflict {
			continue // a player's report came between: on top of that, then
		}
		return &pb.GroupReply{Group: g}, err
	}
}

// leave takes a client out of every group.
func (f *fakes) leave(ctx context.Context, id string) error {
	keys, err := f.groups.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		g, _, err := f.groups.Get(ctx, k)
		if err != nil {
			return err
		}
		if !slices.Contains(g.GetMembers(), id) {
			continue
		}
		g.Members = slices.DeleteFunc(g.Members, func(m string) bool { return m == id })
		if g.GetSolo() {
			err = f.groups.Delete(ctx, k)
		} else {
			_, err = f.groups.Put(ctx, k, g)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// device makes a player appear as the gateway and pairing would show it, and
// answers its session address.
func (f *fakes) device(name string, change ...func(*pb.ClientPresence, *pb.TrustRecord)) string {
	f.t.Helper()
	ctx, id := f.t.Context(), clientID(name)
	volume := int32(50)
	p := &pb.ClientPresence{
		ClientId: id, GatewayId: "gw1", SessionId: "s-" + name, Connected: true, Connection: "outbound",
		Address: "192.0.2.7:8928", Dialect: "current", Suite: "Noise_KKpsk2_25519_ChaChaPoly_SHA256", PskCategory: "sn", Stage: "ready",
		Name: name, DeviceInfo: &pb.DeviceInfo{ProductName: "Box", Manufacturer: "Acme"},
		SupportedRoles: []string{"player@v1", "metadata@v1"},
		PlayerSupport:  &pb.PlayerSupport{SupportedFormats: []*pb.AudioFormat{{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}}, BufferCapacity: 1 << 20},
		PairMethods:    []*pb.PairMethod{{Method: "pairing_psk", Locations: []string{"device"}}},
		UnpairedAccess: true, Trust: pb.TrustState_TRUST_STATE_APPROVED,
		ActiveRoles: []string{"player@v1", "metadata@v1"}, Activities: []string{},
		Available: proto.Bool(true),
		Player:    &pb.PlayerState{Volume: &volume, SupportedCommands: []string{"volume"}, RequiredLeadTimeMs: 300, MinBufferMs: 500},
		RttUs:     900, LastTimeExchangeAt: timestamppb.Now(), ConnectedAt: timestamppb.Now(), LastSeenAt: timestamppb.Now(),
	}
	t := &pb.TrustRecord{ClientId: id, State: pb.TrustState_TRUST_STATE_APPROVED, Name: name, Fingerprint: "tiger-nine-" + name, FirstSeenAt: timestamppb.New(time.Now().Add(-time.Hour))}
	for _, c := range change {
		c(p, t)
	}
	if _, err := f.trust.Put(ctx, id, t); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.presence.Put(ctx, id, p); err != nil {
		f.t.Fatal(err)
	}
	if !p.GetConnected() {
		return id
	}
	stop, err := bus.HandleExclusive(f.bus, subject.Session(id), func(ctx context.Context, r *pb.SessionCommand) (*pb.SessionReply, error) {
		f.pass()
		f.mu.Lock()
		f.commands = append(f.commands, r)
		f.mu.Unlock()
		now, _, err := f.presence.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		switch c := r.GetPlayer().GetCommand().(type) {
		case *pb.PlayerCommand_Volume:
			now.Player.Volume = &c.Volume
		case *pb.PlayerCommand_Mute:
			now.Player.Muted = &c.Mute
		case *pb.PlayerCommand_OutputDelayMs:
			now.Player.OutputDelayMs = c.OutputDelayMs
		}
		_, err = f.presence.Put(ctx, id, now)
		return &pb.SessionReply{SessionId: p.GetSessionId()}, err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(stop)
	return id
}

// waiting makes a device a stranger in the inbox.
func waiting(reason string) func(*pb.ClientPresence, *pb.TrustRecord) {
	return func(p *pb.ClientPresence, t *pb.TrustRecord) {
		p.Trust, p.ActiveRoles = pb.TrustState_TRUST_STATE_UNAPPROVED, nil
		t.State, t.WaitingReason = pb.TrustState_TRUST_STATE_UNAPPROVED, reason
		t.ExpiresAt = timestamppb.New(time.Now().Add(time.Hour))
	}
}

// offline makes a device one that was here.
func offline(p *pb.ClientPresence, _ *pb.TrustRecord) { p.Connected, p.LastGoodbye = false, "shutdown" }
