package pairing

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/crypto/nacl/box"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/offline"
)

func (r *rig) act(detail string) {
	r.t.Helper()
	r.ask(subject.PairingAuditAppend, &pb.AuditAppendRequest{Actor: "token:admin", Kind: "test.act", Detail: detail}, &pb.AuditEvent{})
}

func (r *rig) verify(req *pb.AuditVerifyRequest) *pb.AuditVerifyResponse {
	r.t.Helper()
	var resp pb.AuditVerifyResponse
	r.ask(subject.PairingAuditVerify, req, &resp)
	return &resp
}

func TestTheLedgerIsVerifiedOverTheBus(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		for i := range 5 {
			r.act(fmt.Sprint("number ", i))
		}
		whole := r.verify(&pb.AuditVerifyRequest{})
		if !whole.GetOk() || whole.GetLines() != 6 || whole.GetHeadId() != 6 || len(whole.GetHeadHash()) != 32 {
			t.Fatalf("got %v", whole)
		}
		r.act("one more")
		if v := r.verify(&pb.AuditVerifyRequest{HeadId: whole.GetHeadId(), HeadHash: whole.GetHeadHash()}); !v.GetOk() || v.GetLines() != 7 {
			t.Fatalf("with a known head: %v", v)
		}
		if v := r.verify(&pb.AuditVerifyRequest{HeadId: 90, HeadHash: whole.GetHeadHash()}); v.GetOk() || v.GetBrokenAt() != 8 {
			t.Fatalf("with a head that the ledger never reached: %v", v)
		}
		r.wantFault(fault.Invalid, "both or neither", subject.PairingAuditVerify, &pb.AuditVerifyRequest{HeadId: 3})
		r.wantFault(fault.Invalid, "32 bytes", subject.PairingAuditVerify, &pb.AuditVerifyRequest{HeadId: 3, HeadHash: []byte("short")})
		if cfg.DatabaseURL == "" {
			r.raw("DROP TRIGGER audit_no_update")
		} else {
			r.raw("DROP TRIGGER audit_append_only ON audit")
		}
		r.raw("UPDATE audit SET detail = 'nothing' WHERE id = 3")
		if v := r.verify(&pb.AuditVerifyRequest{}); v.GetOk() || v.GetBrokenAt() != 3 || !strings.Contains(v.GetProblem(), "line 3 was changed") || v.GetLines() != 2 {
			t.Fatalf("after a change: %v", v)
		}
		if !strings.Contains(r.logs.String(), "the audit ledger is broken") {
			t.Error("the log does not say so")
		}
	})
}

func TestTheLedgerVerifiesWhileItGrows(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				_ = r.request(subject.PairingAuditAppend, &pb.AuditAppendRequest{Actor: "a", Kind: "test.act"}, &pb.AuditEvent{})
			}
		}()
		for range 40 {
			if v := r.verify(&pb.AuditVerifyRequest{}); !v.GetOk() {
				t.Errorf("got %v", v)
			}
		}
		cancel()
		<-done
	})
}

func TestTheHeadIsLoggedAtStartWhenItMovedAndAtStop(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()})
	r.clk = clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	r.serve()
	heads := func() (lines []string) {
		for l := range strings.SplitSeq(r.logs.String(), "\n") {
			if strings.Contains(l, `msg="audit head"`) {
				lines = append(lines, l)
			}
		}
		return lines
	}
	line := func(n int, want ...string) {
		t.Helper()
		r.eventually(fmt.Sprintf("%d heads are logged", n), func() error {
			if got := heads(); len(got) != n {
				return fmt.Errorf("%d lines: %q", len(got), got)
			}
			return nil
		})
		for _, w := range want {
			if last := heads()[n-1]; !strings.Contains(last, w) {
				t.Fatalf("%q has no %q", last, w)
			}
		}
	}
	tick := func(d time.Duration) { // until every actor has set its next timer, the clock must not run away
		r.eventually("the actors wait", func() error { return r.clk.BlockUntilContext(t.Context(), 1) })
		r.clk.Advance(d)
	}
	line(1, "id=1 ", "when=start")
	r.act("a single act")
	tick(20 * time.Second)
	line(1)
	for range 100 {
		r.act("many")
	}
	r.eventually("a hundred lines are logged", func() error {
		tick(10 * time.Second)
		if len(heads()) < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	line(2, "id=102 ", "when=moved")
	r.act("late")
	r.eventually("the hour is over", func() error {
		tick(10 * time.Minute)
		if len(heads()) < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	line(3, "id=103 ", "when=moved")
	v := r.verify(&pb.AuditVerifyRequest{})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	line(4, "id=103 ", "when=stop", "hash="+hex.EncodeToString(v.GetHeadHash()))
}

// snapshot collects a snapshot and opens it.
func (r *rig) snapshot() (records []backup.Record, pages []*pb.SnapshotPage) {
	r.t.Helper()
	k := newBoxKey(r.t)
	ask := func(subj string, req *pb.SnapshotRequest) *pb.SnapshotPage {
		var p pb.SnapshotPage
		ctx, cancel := context.WithTimeout(context.Background(), patience) // a backup may take its time
		defer cancel()
		if err := r.bus.Request(ctx, subj, req, &p); err != nil {
			r.t.Fatalf("%s: %v", subj, err)
		}
		pages = append(pages, &p)
		return &p
	}
	first := ask(subject.PairingSnapshot, &pb.SnapshotRequest{RecipientKey: k.pub[:], Actor: "token:admin"})
	for n := uint32(1); n < first.GetPages(); n++ {
		ask(first.GetNextSubject(), &pb.SnapshotRequest{SnapshotId: first.GetSnapshotId(), Page: n})
	}
	var whole bytes.Buffer
	for _, p := range pages {
		if len(p.GetSealed()) > 512<<10 {
			r.t.Errorf("a page has %d bytes", len(p.GetSealed()))
		}
		whole.Write(k.open(r.t, p.GetSealed()))
	}
	in, err := backup.NewReader(&whole)
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return records, pages
		}
		if err != nil {
			r.t.Fatal(err)
		}
		records = append(records, rec)
	}
}

func TestASnapshotHoldsEverythingAndIsSealed(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		id := newClientID()
		r.admit(knock(id, "Kitchen"))
		r.approve(id)
		psk := r.pair(id)
		identity := r.identity()
		for range 2000 { // more than a page
			var b [700]byte
			_, _ = rand.Read(b[:])
			if err := r.request(subject.PairingAuditAppend, &pb.AuditAppendRequest{Actor: "a", Kind: "test.act", Detail: hex.EncodeToString(b[:])[:900]}, &pb.AuditEvent{}); err != nil {
				t.Fatal(err)
			}
		}
		records, pages := r.snapshot()
		if len(pages) < 2 {
			t.Fatalf("%d pages", len(pages))
		}
		for _, p := range pages {
			if bytes.Contains(p.GetSealed(), psk.Bytes()) || bytes.Contains(p.GetSealed(), identity.Bytes()) {
				t.Error("a secret is on the bus in clear")
			}
		}
		tr := records[0].Trust
		if tr == nil || tr.ServerID != identity.Public().ID() || tr.Fingerprint == "" || tr.Schema < 1 {
			t.Fatalf("it begins with %+v", records[0])
		}
		var secrets, made int
		for _, rec := range records {
			if rec.Row == nil {
				continue
			}
			if s, ok := rec.Row.Values["sealed_psk"].V.(backup.Secret); ok && bytes.Equal(s, psk.Bytes()) {
				secrets++
			}
			if s, ok := rec.Row.Values["sealed_key"].V.(backup.Secret); ok && bytes.Equal(s, identity.Bytes()) {
				secrets++
			}
			if rec.Row.Values["kind"].V == "backup.made" && rec.Row.Values["actor"].V == "token:admin" {
				made++
			}
			if rec.Row.Table == "outbox" {
				t.Error("the outbox is in it")
			}
		}
		if secrets != 2 || made != 1 {
			t.Errorf("%d of 2 secrets, %d lines that a backup was made", secrets, made)
		}
		// The records restore.
		rest := records[1:]
		got, err := offline.Restore{
			Place: offline.Place{DataDir: t.TempDir()}, Trust: *tr,
			Next: func() (backup.Record, error) {
				if len(rest) == 0 {
					return backup.Record{}, io.EOF
				}
				rec := rest[0]
				rest = rest[1:]
				return rec, nil
			},
		}.Run(t.Context())
		if err != nil || !got.Audit.OK || got.Audit.Lines < 2000 {
			t.Fatalf("restore: %+v, %v", got, err)
		}
	})
}

func TestSnapshotsAreRefusedWithoutActorOrKeyAndForgotten(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()})
	r.clk = clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	r.serve()
	k := newBoxKey(t)
	r.wantFault(fault.Invalid, "who asks", subject.PairingSnapshot, &pb.SnapshotRequest{RecipientKey: k.pub[:]})
	r.wantFault(fault.Invalid, "recipient_key", subject.PairingSnapshot, &pb.SnapshotRequest{Actor: "a", RecipientKey: make([]byte, 32)})
	if got := r.auditKinds(); len(got) != 1 {
		t.Fatalf("refused requests left %v", got)
	}
	var p pb.SnapshotPage
	r.ask(subject.PairingSnapshot, &pb.SnapshotRequest{RecipientKey: k.pub[:], Actor: "a"}, &p)
	r.wantFault(fault.OutOfRange, "pages", p.GetNextSubject(), &pb.SnapshotRequest{SnapshotId: p.GetSnapshotId(), Page: 99})
	other, _, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var second pb.SnapshotPage
	r.ask(subject.PairingSnapshot, &pb.SnapshotRequest{RecipientKey: other[:], Actor: "a"}, &second)
	r.wantFault(fault.NotFound, "not kept", p.GetNextSubject(), &pb.SnapshotRequest{SnapshotId: p.GetSnapshotId()})
	r.eventually("it is forgotten", func() error {
		r.clk.Advance(time.Minute)
		err := r.request(second.GetNextSubject(), &pb.SnapshotRequest{SnapshotId: second.GetSnapshotId(), Page: 99}, &pb.SnapshotPage{})
		if fault.CodeOf(err) != fault.NotFound {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
}
