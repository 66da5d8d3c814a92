// Package archive makes backups: it collects what the pairing service keeps and what
// the buckets hold that no service could make again, and seals all of it with a
// passphrase (age, scrypt). The form inside is proto/backup's.
//
// Secrets of the pairing service come sealed to a key that lives as long as one
// backup; they are open in this process only page by page, on their way into the
// sealed file.
package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// snapshotTimeout bounds the making of pairing's snapshot: seconds for a large
	// ledger on a slow disk.
	snapshotTimeout = time.Minute
	// pageTimeout bounds every other question.
	pageTimeout = 4 * time.Second
)

// Bus is what collecting needs of the bus.
type Bus interface {
	Request(ctx context.Context, subject string, req, resp proto.Message) error
}

// Archive makes backups, one at a time: each needs much memory for a moment.
type Archive struct {
	conn       *bus.Conn
	workFactor int
	busy       chan struct{} // holds one value while a backup is made
}

// New makes an Archive. workFactor is the logarithm of scrypt's cost; 0 means
// backup.WorkFactor (tests of the API take less).
func New(conn *bus.Conn, workFactor int) *Archive {
	if workFactor == 0 {
		workFactor = backup.WorkFactor
	}
	return &Archive{conn: conn, workFactor: workFactor, busy: make(chan struct{}, 1)}
}

// Backup is a collected backup that waits to be written. Close must be called.
type Backup struct {
	a         *Archive
	header    backup.Header
	recipient *age.ScryptRecipient
	snapshot  *snapshot
	entries   []backup.Entry
}

// Begin collects a backup, all but the further pages of the snapshot. Errors are
// coded: Conflict when another one is being made. The pairing service writes the
// audit line.
func (a *Archive) Begin(ctx context.Context, h backup.Header, passphrase string) (b *Backup, err error) {
	select {
	case a.busy <- struct{}{}:
	default:
		return nil, fault.New(fault.Conflict, "another backup is being made; try again when it is done")
	}
	b = &Backup{a: a, header: h}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if b.recipient, err = age.NewScryptRecipient(passphrase); err != nil {
		return b, fault.New(fault.OutOfRange, "the passphrase cannot be used").WithField("body.passphrase", "cannot be used")
	}
	b.recipient.SetWorkFactor(a.workFactor)
	if b.entries, err = collect(ctx, a.conn); err != nil {
		return b, err
	}
	b.snapshot, err = begin(ctx, a.conn, h.Actor)
	return b, err
}

// Close lets the next backup begin.
func (b *Backup) Close() {
	if b.snapshot != nil {
		b.snapshot.wipe()
	}
	<-b.a.busy
}

// Write seals the backup into w. After an error what was written does not open as a
// whole.
func (b *Backup) Write(ctx context.Context, w io.Writer) error {
	sealed, err := age.Encrypt(w, b.recipient)
	if err != nil {
		return fmt.Errorf("seal the backup: %w", err)
	}
	out := backup.NewWriter(sealed)
	if err := out.Header(b.header); err != nil {
		return err
	}
	b.snapshot.ctx = ctx
	if err := copyRows(out, b.snapshot); err != nil {
		return fmt.Errorf("read pairing's snapshot: %w", err)
	}
	for _, e := range b.entries {
		if err := out.Entry(e); err != nil {
			return err
		}
	}
	if _, err := out.End(); err != nil {
		return err
	}
	return sealed.Close()
}

func copyRows(out *backup.Writer, from io.Reader) error {
	in, err := backup.NewReader(from)
	if err != nil {
		return err
	}
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.End != nil {
			continue
		}
		if err := out.Copy(rec); err != nil {
			return err
		}
	}
}

// snapshot reads pairing's snapshot as one stream.
type snapshot struct {
	ctx       context.Context // of the writing
	bus       Bus
	pub, priv *[32]byte
	page      *pb.SnapshotPage // the first one
	next      uint32           // number of the next page
	open      []byte           // what is left of the page that was opened last
}

// begin has the snapshot made. A pairing service that is not there is noticed within
// the time of any request.
func begin(ctx context.Context, b Bus, actor string) (*snapshot, error) {
	if err := ask(ctx, b, pageTimeout, subject.PairingAuditList, &pb.AuditListRequest{Limit: 1}, &pb.AuditListResponse{}); err != nil {
		return nil, err
	}
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	s := &snapshot{bus: b, pub: pub, priv: priv, page: &pb.SnapshotPage{}}
	return s, ask(ctx, b, snapshotTimeout, subject.PairingSnapshot, &pb.SnapshotRequest{RecipientKey: pub[:], Actor: actor}, s.page)
}

func ask(ctx context.Context, b Bus, limit time.Duration, subj string, req, resp proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return b.Request(ctx, subj, req, resp)
}

// Read implements io.Reader: it asks for pages as they are needed.
func (s *snapshot) Read(b []byte) (int, error) {
	for len(s.open) == 0 {
		if s.next >= s.page.GetPages() {
			return 0, io.EOF
		}
		sealed := s.page.GetSealed()
		if s.next > 0 {
			var p pb.SnapshotPage
			err := ask(s.ctx, s.bus, pageTimeout, s.page.GetNextSubject(), &pb.SnapshotRequest{SnapshotId: s.page.GetSnapshotId(), Page: s.next}, &p)
			if err != nil {
				return 0, err
			}
			sealed = p.GetSealed()
		}
		var ok bool
		if s.open, ok = box.OpenAnonymous(nil, sealed, s.pub, s.priv); !ok {
			return 0, errors.New("a page is not sealed to this process")
		}
		s.next++
	}
	n := copy(b, s.open)
	clear(s.open[:n])
	s.open = s.open[n:]
	return n, nil
}

func (s *snapshot) wipe() {
	clear(s.open)
	clear(s.priv[:])
}
