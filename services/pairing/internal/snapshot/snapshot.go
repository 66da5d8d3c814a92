// Package snapshot hands out everything that pairing keeps, for a backup: one
// consistent reading of the database, secrets opened and then sealed, page by page,
// to the one process that asked (tutti.v1.pairing.snapshot).
//
// An actor makes and keeps it: one snapshot at a time, for some minutes. Making it
// is written into the ledger first, so that no copy of the secrets is without trace;
// that line is part of the snapshot. Pages are asked for at the address of the
// instance that made it.
package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/store"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

const (
	// keepFor is how long a snapshot waits for the next question about it.
	keepFor = 2 * time.Minute
	// mailbox: whoever finds it full asks again later.
	mailbox  = 8
	maxActor = 128
)

// Options of the maker. All fields are required.
type Options struct {
	Store store.Store
	Key   secret.Key
	Bus   *bus.Conn
	Clock clockwork.Clock
	Log   *slog.Logger
	// Announce makes the audit line known.
	Announce func()
}

// Maker is the address of the actor.
type Maker struct{ ref *actor.Ref[message] }

// Start spawns the actor under s.
func Start(s *actor.Supervisor, o Options) (*Maker, error) {
	m := &Maker{}
	var err error
	m.ref, err = actor.Spawn(s, actor.Options{Key: "snapshot", Size: mailbox, Full: actor.Fail},
		func(self *actor.Ref[message]) actor.Handler[message] { return &keeper{Options: o, self: self, me: m} })
	return m, err
}

// Snapshot answers tutti.v1.pairing.snapshot.
func (m *Maker) Snapshot(ctx context.Context, req *pb.SnapshotRequest) (*pb.SnapshotPage, error) {
	a, err := actor.Ask(ctx, m.ref, func(reply chan<- answer) message { return message{ctx: ctx, req: req, reply: reply} })
	switch {
	case errors.Is(err, actor.ErrFull):
		return nil, fault.New(fault.Conflict, "other backups are being made right now; try again when they are done")
	case errors.Is(err, actor.ErrStopped):
		return nil, fault.New(fault.Unavailable, "the pairing service stops")
	case err != nil:
		return nil, err
	}
	return a.page, a.err
}

// message is a request, or, without one, the end of a snapshot's time.
type message struct {
	ctx   context.Context // of the request
	req   *pb.SnapshotRequest
	reply chan<- answer
	stale string // id
}

type answer struct {
	page *pb.SnapshotPage
	err  error
}

// kept is the one snapshot that is in memory.
type kept struct {
	id    string
	pages [][]byte
}

type keeper struct {
	Options
	self    *actor.Ref[message]
	me      *Maker
	kept    kept
	address string
	stop    func()
	cancel  func()
}

// Start implements actor.Lifecycle: it takes an address for the further pages.
func (k *keeper) Start(context.Context) error {
	k.address, k.cancel = subject.Snapshot(newID()), func() {}
	var err error
	k.stop, err = bus.HandleExclusive[pb.SnapshotRequest, pb.SnapshotPage](k.Bus, k.address, k.me.Snapshot)
	return err
}

// Close implements actor.Lifecycle.
func (k *keeper) Close(context.Context) {
	k.cancel()
	if k.stop != nil {
		k.stop()
	}
}

// Handle implements actor.Handler.
func (k *keeper) Handle(ctx context.Context, m message) error {
	if m.req == nil {
		if m.stale == k.kept.id {
			k.kept = kept{}
		}
		return nil
	}
	req, cancel := context.WithCancel(m.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	page, err := k.answer(req, m.req)
	m.reply <- answer{page, err}
	return nil
}

func (k *keeper) answer(ctx context.Context, req *pb.SnapshotRequest) (*pb.SnapshotPage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // nobody waits any more
	}
	if req.GetSnapshotId() == "" {
		if err := k.make(ctx, req); err != nil {
			return nil, err
		}
		return k.page(0)
	}
	if req.GetSnapshotId() != k.kept.id {
		return nil, fault.New(fault.NotFound, "this snapshot is not kept any more: another was made since, or it waited longer than %s", keepFor)
	}
	return k.page(int(req.GetPage()))
}

func (k *keeper) page(n int) (*pb.SnapshotPage, error) {
	if n >= len(k.kept.pages) {
		return nil, fault.New(fault.OutOfRange, "the snapshot has %d pages", len(k.kept.pages)).WithField("page", "too large")
	}
	k.cancel()
	k.cancel = actor.After(k.self, k.Clock, keepFor, message{stale: k.kept.id})
	return &pb.SnapshotPage{
		SnapshotId: k.kept.id, Sealed: k.kept.pages[n], Pages: uint32(len(k.kept.pages)), NextSubject: k.address,
	}, nil
}

// make replaces what is kept by a new snapshot.
func (k *keeper) make(ctx context.Context, req *pb.SnapshotRequest) error {
	by := trust.Clean(req.GetActor(), maxActor)
	if by == "" {
		return fault.New(fault.Invalid, "the request does not say who asks").WithField("actor", "is empty")
	}
	p := &pages{recipient: req.GetRecipientKey()}
	if _, err := secret.SealTo(p.recipient, nil); err != nil {
		return fault.New(fault.Invalid, "%v", err).WithField("recipient_key", "not usable")
	}
	k.kept = kept{} // two of them might not fit into memory
	err := k.Store.Update(ctx, func(ctx context.Context, tx desk.Tx) error {
		_, err := desk.Note(ctx, tx, k.Clock.Now(), by, "backup.made", "a copy of all trust and secrets, sealed to who asked")
		return err
	})
	if err != nil {
		return err
	}
	k.Announce()
	end, err := k.read(ctx, p)
	var large tooLarge
	if errors.As(err, &large) {
		return fault.New(fault.TooLarge, "%v", large)
	}
	if err != nil {
		return err
	}
	k.kept = kept{id: newID(), pages: p.sealed}
	k.Log.Info("snapshot made for a backup", "actor", by, "rows", end.Rows, "pages", len(p.sealed), obs.KeyTrace, bus.TraceID(ctx))
	return nil
}

func (k *keeper) read(ctx context.Context, p *pages) (end backup.End, err error) {
	err = k.Store.Snapshot(ctx, func(ctx context.Context, w *store.Whole) error {
		out := backup.NewWriter(p)
		t, err := w.Trust(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(out.Trust(t), w.Dump(ctx, k.Key, out)); err != nil {
			return err
		}
		end, err = out.End()
		return err
	})
	return end, errors.Join(err, p.cut())
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
