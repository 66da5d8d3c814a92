package management_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/backup"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

const (
	passphrase   = "correct horse battery"
	backupSecret = "the long-term key of a device"
)

// startVault adds the pairing service's ledger check and its snapshot. The check takes
// three requests; the snapshot has three pages.
func (f *fakes) startVault(s *bus.Service) {
	handle(f, s, subject.PairingAuditVerify, func(_ context.Context, r *pb.AuditVerifyRequest) (*pb.AuditVerifyResponse, error) {
		out := &pb.AuditVerifyResponse{Ok: true, Lines: 10, HeadId: r.GetAfterId() + 10, HeadHash: bytes.Repeat([]byte{7}, 32)}
		out.More = out.GetHeadId() < 30
		if r.GetAfterId() > 0 && !bytes.Equal(r.GetAfterHash(), out.GetHeadHash()) {
			return nil, fault.New(fault.Invalid, "after_hash is missing")
		}
		if r.GetHeadId() == 99 && !out.GetMore() {
			out.Ok, out.BrokenAt, out.Problem = false, 31, "the end is missing"
		}
		return out, nil
	})
	var pages [][]byte
	page := func(r *pb.SnapshotRequest) *pb.SnapshotPage {
		return &pb.SnapshotPage{SnapshotId: "s1", Sealed: pages[r.GetPage()], Pages: uint32(len(pages)), NextSubject: subject.Snapshot("x")}
	}
	handle(f, s, subject.PairingSnapshot, func(ctx context.Context, r *pb.SnapshotRequest) (*pb.SnapshotPage, error) {
		f.append(ctx, r.GetActor(), "backup.made", "", "")
		pages = sealedPages(r.GetRecipientKey(), 3)
		return page(r), nil
	})
	handle(f, s, subject.Snapshot("x"), func(_ context.Context, r *pb.SnapshotRequest) (*pb.SnapshotPage, error) {
		if f.breakSnapshot.Load() {
			return nil, fault.New(fault.NotFound, "this snapshot is not kept any more")
		}
		return page(r), nil
	})
}

func sealedPages(key []byte, n int) (out [][]byte) {
	var whole bytes.Buffer
	w := backup.NewWriter(&whole)
	row := backup.Row{Table: "pairing_records", Values: map[string]backup.Value{"sealed_psk": {V: backup.Secret(backupSecret)}}}
	if err := errors.Join(w.Trust(backup.Trust{Schema: 1, ServerID: "server"}), w.Row(row)); err != nil {
		panic(err)
	}
	if _, err := w.End(); err != nil {
		panic(err)
	}
	for part := range slices.Chunk(whole.Bytes(), whole.Len()/n+1) {
		sealed, err := box.SealAnonymous(nil, part, (*[32]byte)(key), rand.Reader)
		if err != nil {
			panic(err)
		}
		out = append(out, sealed)
	}
	return out
}

func TestTheAuditLedgerIsChecked(t *testing.T) {
	w := newWorld(t)
	c := decode[model.AuditCheck](w.get("/api/v1/audit/verify").want(http.StatusOK))
	if !c.OK || c.Lines != 30 || c.HeadID != 30 || c.HeadHash != strings.Repeat("07", 32) {
		t.Errorf("got %+v", c)
	}
	c = decode[model.AuditCheck](w.get("/api/v1/audit/verify?head_id=99&head_hash=" + strings.Repeat("0A", 32)).want(http.StatusOK))
	if c.OK || c.BrokenAt != 31 || c.Problem != "the end is missing" {
		t.Errorf("got %+v", c)
	}
	w.get("/api/v1/audit/verify?head_id=99").problem(http.StatusUnprocessableEntity)
	w.get("/api/v1/audit/verify?head_hash=" + strings.Repeat("0A", 32)).problem(http.StatusUnprocessableEntity)
	w.get("/api/v1/audit/verify?head_id=99&head_hash=zz").problem(http.StatusUnprocessableEntity)
}

// openBackup opens a sealed file.
func openBackup(t *testing.T, sealed []byte, pass string) ([]backup.Record, error) {
	t.Helper()
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		t.Fatal(err)
	}
	in, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return nil, err
	}
	r, err := backup.NewReader(in)
	if err != nil {
		return nil, err
	}
	var out []backup.Record
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
}

func TestABackupHoldsPairingAndTheBuckets(t *testing.T) {
	w := newWorld(t)
	g := decode[model.Group](w.post("/api/v1/groups", map[string]any{"name": "Downstairs"}).want(http.StatusCreated))
	w.post("/api/v1/tokens", map[string]string{"name": "night manager", "role": "operator"}).want(http.StatusCreated)
	put := func(key, via string) {
		b, err := bus.OpenBucket[pb.Sighting](t.Context(), w.bus, subject.BucketSightings, bus.BucketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Put(t.Context(), key, &pb.Sighting{Key: key, Via: via, Url: "ws://10.0.0.1:1/x"}); err != nil {
			t.Fatal(err)
		}
	}
	put("addr-1", "api")
	put("m-1", "mdns")
	r := w.post("/api/v1/backup", map[string]string{"passphrase": passphrase}).want(http.StatusOK)
	if ct := r.header.Get("Content-Type"); ct != "application/octet-stream" || !strings.Contains(r.header.Get("Content-Disposition"), ".backup") {
		t.Errorf("headers %v", r.header)
	}
	if bytes.Contains(r.body, []byte(backupSecret)) || bytes.Contains(r.body, []byte("Downstairs")) {
		t.Error("the file is not sealed")
	}
	if _, err := openBackup(t, r.body, passphrase+"!"); err == nil {
		t.Error("it opens with another passphrase")
	}
	if _, err := openBackup(t, r.body[:len(r.body)-1], passphrase); err == nil {
		t.Error("it opens without its last byte")
	}
	records, err := openBackup(t, r.body, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	h := records[0].Header
	if h == nil || h.Actor != "token:admin" || h.Server == "" || h.Tutti != "1.2.3" || time.Since(h.MadeAt) > time.Hour {
		t.Errorf("it begins with %+v", records[0])
	}
	if records[1].Trust == nil || records[1].Trust.ServerID != "server" {
		t.Errorf("then comes %+v", records[1])
	}
	buckets := map[string]int{}
	for _, rec := range records {
		switch {
		case rec.Row != nil:
			if s, _ := rec.Row.Values["sealed_psk"].V.(backup.Secret); string(s) != backupSecret {
				t.Errorf("a row %+v", rec.Row)
			}
			buckets["rows"]++
		case rec.Entry != nil:
			buckets[rec.Entry.Bucket]++
			if rec.Entry.Bucket == subject.BucketGroups && rec.Entry.Key == g.GroupID {
				var got pb.Group
				if err := proto.Unmarshal(rec.Entry.Data, &got); err != nil || got.GetName() != "Downstairs" {
					t.Errorf("the group is %v, %v", &got, err)
				}
			}
		}
	}
	if buckets["rows"] != 1 || buckets[subject.BucketGroups] != 1 || buckets[subject.BucketTokens] != 1 || buckets[subject.BucketSightings] != 1 {
		t.Errorf("it holds %v", buckets)
	}
	if got := w.fakes.audited(); !slices.Contains(got, "token:admin backup.made") {
		t.Errorf("the ledger has %v", got)
	}
	if strings.Contains(w.logs.String(), passphrase) {
		t.Error("the passphrase is in the log")
	}
}

func TestABackupThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	for _, body := range []any{map[string]string{"passphrase": "short"}, map[string]string{}} {
		p := w.post("/api/v1/backup", body).problem(http.StatusUnprocessableEntity)
		if strings.Contains(p.Detail, "short\"") {
			t.Errorf("the passphrase is in the answer: %s", p.Detail)
		}
	}
	if got := w.fakes.audited(); len(got) != 0 {
		t.Errorf("the ledger has %v", got)
	}
	// It breaks off: the caller sees that the answer is not whole.
	w.fakes.breakSnapshot.Store(true)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v1/backup", strings.NewReader(`{"passphrase":"`+passphrase+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("a backup that broke off looks whole")
	}
	eventually(t, func() error {
		if got := w.fakes.audited(); !slices.Contains(got, "token:admin backup.failed") {
			return errors.New("the ledger does not say so: " + strings.Join(got, ", "))
		}
		return nil
	})
	w.fakes.breakSnapshot.Store(false)
	w.post("/api/v1/backup", map[string]string{"passphrase": passphrase}).want(http.StatusOK)
	w.fakes.kill("pairing")
	if p := w.post("/api/v1/backup", map[string]string{"passphrase": passphrase}).problem(http.StatusServiceUnavailable); !strings.Contains(p.Detail, "pairing service") {
		t.Errorf("detail %q", p.Detail)
	}
}
