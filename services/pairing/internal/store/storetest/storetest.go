// Package storetest is what every desk.Store must do: PostgreSQL and SQLite both
// pass it.
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Backend is one empty database that can be opened more than once.
type Backend struct {
	Open func(t *testing.T) desk.Store
	// Raw runs a statement of the database's own, past the interface.
	Raw func(t *testing.T, sql string) error
}

// Run runs the suite; each test gets a fresh Backend.
func Run(t *testing.T, fresh func(t *testing.T) Backend) {
	tests := []struct {
		name string
		run  func(t *testing.T, b Backend)
	}{
		{"a new store is empty until the identity is there", identity},
		{"a client comes back as it was saved", roundTrip},
		{"approval and inbox entry follow the client", parts},
		{"a pairing record keeps its client", recordKeepsClient},
		{"an unpaired record is kept until it is deleted or replaced", unpairedRecord},
		{"approvals are over in the order of their ends", approvalsOver},
		{"other keys are known by name, label and MAC", known},
		{"the inbox overflows and expires in order", inbox},
		{"clients are listed in pages", pages},
		{"a failed transaction leaves nothing", rollback},
		{"the ledger is a chain without gaps, also under contention", ledger},
		{"the ledger cannot be changed", appendOnly},
		{"the outbox keeps order until announced", outbox},
		{"settings are replaced", settings},
		{"transactions on one client follow one another", serialised},
		{"enrolments are kept, listed and swept", enrolments},
		{"a pairing record says when it was stored", storedPairing},
		{"everything is there after opening again", reopen},
		{"several may open an empty database at once", openAtOnce},
		{"an ended context ends the operation", cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, fresh(t)) })
	}
}

var at = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// NewID draws a client_id.
func NewID() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Client is a client with every field set.
func Client(id string) trust.Client {
	return trust.Client{
		ID: id, Label: "Küche", FirstSeen: at, LastSeen: at.Add(time.Hour),
		Facts: trust.Facts{
			Name: "Speaker \U0001F50A", Manufacturer: "Acme", ProductName: "One", SoftwareVersion: "1.2",
			MAC: "aa:bb:cc:dd:ee:01", Address: "10.0.0.7:1234", Roles: []string{"player@v1", "metadata@v1"}, UnpairedAccess: true,
		},
		Warning: trust.WarnNameReused, Decision: trust.DecidedApproved, DecidedAt: at.Add(time.Minute),
		Approval: &trust.Approval{Source: true, Controller: true, Actor: "admin-token", At: at,
			Ends: at.Add(time.Hour), UntilDisconnect: true, Session: "session-1"},
		Waiting: &trust.Waiting{Reason: trust.WaitNew, Since: at, Knocked: at.Add(time.Second), Expires: at.Add(24 * time.Hour)},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func update(t *testing.T, s desk.Store, fn func(ctx context.Context, tx desk.Tx) error) {
	t.Helper()
	must(t, s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error { return fn(t.Context(), tx) }))
}

// read returns what one call of a Tx says.
func read[T any](t *testing.T, s desk.Store, fn func(ctx context.Context, tx desk.Tx) (T, error)) T {
	t.Helper()
	var v T
	must(t, s.View(t.Context(), func(ctx context.Context, tx desk.Tx) (err error) {
		v, err = fn(t.Context(), tx)
		return err
	}))
	return v
}

func save(t *testing.T, s desk.Store, clients ...trust.Client) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		for _, c := range clients {
			if err := tx.SaveClient(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func client(t *testing.T, s desk.Store, id string) trust.Client {
	t.Helper()
	return read(t, s, func(ctx context.Context, tx desk.Tx) (trust.Client, error) { return tx.Client(ctx, id) })
}

func wantMissing(t *testing.T, s desk.Store, id string) {
	t.Helper()
	err := s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		_, err := tx.Client(t.Context(), id)
		return err
	})
	if !errors.Is(err, desk.ErrNotFound) {
		t.Fatalf("client %s: got %v, want ErrNotFound", id, err)
	}
}

func identity(t *testing.T, b Backend) {
	s := b.Open(t)
	empty := func(ctx context.Context, tx desk.Tx) (bool, error) { return tx.Empty(ctx) }
	if !read(t, s, empty) {
		t.Fatal("a new store is not empty")
	}
	err := s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		_, err := tx.Identity(t.Context())
		return err
	})
	if !errors.Is(err, desk.ErrNotFound) {
		t.Fatalf("identity of a new store: %v", err)
	}
	want := desk.Identity{ServerID: NewID(), Sealed: []byte{0, 1, 2, 255}, Created: at}
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.CreateIdentity(ctx, want) })
	got := read(t, s, func(ctx context.Context, tx desk.Tx) (desk.Identity, error) { return tx.Identity(ctx) })
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("identity: got %+v, want %+v", got, want)
	}
	if read(t, s, empty) {
		t.Fatal("a store with an identity is empty")
	}
	err = s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error { return tx.CreateIdentity(t.Context(), want) })
	if err == nil {
		t.Fatal("a second identity was stored")
	}
}

func roundTrip(t *testing.T, b Backend) {
	s := b.Open(t)
	want := Client(NewID())
	save(t, s, want)
	if got := client(t, s, want.ID); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	bare := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at}
	save(t, s, bare)
	if got := client(t, s, bare.ID); !reflect.DeepEqual(got, bare) {
		t.Fatalf("got  %+v\nwant %+v", got, bare)
	}
	wantMissing(t, s, NewID())
}

func parts(t *testing.T, b Backend) {
	s := b.Open(t)
	c := Client(NewID())
	save(t, s, c)
	c.Approval, c.Waiting, c.Label, c.Mismatch = nil, nil, "", true
	save(t, s, c)
	if got := client(t, s, c.ID); !reflect.DeepEqual(got, c) {
		t.Fatalf("after taking them away: %+v", got)
	}
	c = Client(c.ID)
	save(t, s, c)
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.DeleteClient(ctx, c.ID) })
	wantMissing(t, s, c.ID)
	save(t, s, trust.Client{ID: c.ID, FirstSeen: at, LastSeen: at})
	if got := client(t, s, c.ID); got.Approval != nil || got.Waiting != nil {
		t.Fatalf("a forgotten client came back with %+v %+v", got.Approval, got.Waiting)
	}
}

func recordKeepsClient(t *testing.T, b Backend) {
	s := b.Open(t)
	c := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at}
	record := func(ctx context.Context, tx desk.Tx) ([]byte, error) { return tx.PairingRecord(ctx, c.ID) }
	put := func(sealed string) func(ctx context.Context, tx desk.Tx) error {
		return func(ctx context.Context, tx desk.Tx) error { return tx.PutPairingRecord(ctx, c.ID, []byte(sealed), at) }
	}
	if err := s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error { return put("x")(t.Context(), tx) }); err == nil {
		t.Fatal("a pairing record without a client was stored")
	}
	save(t, s, c)
	update(t, s, put("one"))
	update(t, s, put("two"))
	if got := read(t, s, record); string(got) != "two" {
		t.Fatalf("record: %q", got)
	}
	if !client(t, s, c.ID).Paired {
		t.Fatal("a client with a record is not paired")
	}
	err := s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error { return tx.DeleteClient(t.Context(), c.ID) })
	if err == nil {
		t.Fatal("a client was deleted with its pairing record")
	}
	save(t, s, c) // saving the client leaves the record alone
	if got := read(t, s, record); string(got) != "two" {
		t.Fatalf("record after saving the client: %q", got)
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		return errors.Join(tx.DeletePairingRecord(ctx, c.ID), tx.DeletePairingRecord(ctx, c.ID), tx.DeleteClient(ctx, c.ID))
	})
	wantMissing(t, s, c.ID)
}

func unpairedRecord(t *testing.T, b Backend) {
	s := b.Open(t)
	c := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at}
	mark := func(ctx context.Context, tx desk.Tx) error { return tx.MarkUnpairing(ctx, c.ID) }
	put := func(ctx context.Context, tx desk.Tx) error {
		return tx.PutPairingRecord(ctx, c.ID, []byte("one"), at.Add(time.Hour))
	}
	save(t, s, c)
	if err := s.Update(t.Context(), mark); !errors.Is(err, desk.ErrNotFound) {
		t.Fatalf("marking no record: got %v, want ErrNotFound", err)
	}
	update(t, s, put)
	if got := client(t, s, c.ID); !got.Paired || !got.PairedAt.Equal(at.Add(time.Hour)) || got.Unpairing {
		t.Fatalf("with a record: %+v", got)
	}
	for range 2 {
		update(t, s, mark)
		update(t, s, mark)
		save(t, s, c) // saving the client leaves it alone
		if got := client(t, s, c.ID); got.Paired || !got.Unpairing || !got.PairedAt.IsZero() {
			t.Fatalf("with an unpaired record: %+v", got)
		}
		got := read(t, s, func(ctx context.Context, tx desk.Tx) ([]byte, error) { return tx.PairingRecord(ctx, c.ID) })
		if string(got) != "one" {
			t.Fatalf("record: %q", got)
		}
		if err := s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error { return tx.DeleteClient(ctx, c.ID) }); err == nil {
			t.Fatal("a client was deleted with its unpaired record")
		}
		update(t, s, put)
		if got := client(t, s, c.ID); !got.Paired || got.Unpairing {
			t.Fatalf("with a new record: %+v", got)
		}
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.DeletePairingRecord(ctx, c.ID) })
	if got := client(t, s, c.ID); got.Paired || got.Unpairing {
		t.Fatalf("without a record: %+v", got)
	}
}

func approvalsOver(t *testing.T, b Backend) {
	s := b.Open(t)
	add := func(a trust.Approval) string {
		c := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at, Approval: &a}
		save(t, s, c)
		return c.ID
	}
	second, first := add(trust.Approval{At: at, Ends: at.Add(2 * time.Hour)}), add(trust.Approval{At: at, Ends: at.Add(time.Hour)})
	never, paired, unpaired := add(trust.Approval{At: at}), add(trust.Approval{At: at, Source: true}), add(trust.Approval{At: at})
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		return errors.Join(tx.PutPairingRecord(ctx, paired, []byte("x"), at), tx.PutPairingRecord(ctx, unpaired, []byte("x"), at),
			tx.MarkUnpairing(ctx, unpaired))
	})
	over := func(now time.Time, limit int) []string {
		return read(t, s, func(ctx context.Context, tx desk.Tx) ([]string, error) { return tx.ApprovalsOver(ctx, now, limit) })
	}
	for _, tt := range []struct {
		now   time.Time
		limit int
		want  []string
	}{
		{at.Add(time.Hour - time.Microsecond), 10, nil},
		{at.Add(time.Hour), 10, []string{first}},
		{at.Add(1000 * time.Hour), 10, []string{first, second}},
		{at.Add(1000 * time.Hour), 1, []string{first}},
	} {
		if got := over(tt.now, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("over at %s: got %v, want %v", tt.now, got, tt.want)
		}
	}
	want := []string{first, second, never, unpaired}
	slices.Sort(want)
	if got := read(t, s, func(ctx context.Context, tx desk.Tx) ([]string, error) { return tx.Approved(ctx) }); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("approved: got %v, want %v", got, want)
	}
}

func known(t *testing.T, b Backend) {
	s := b.Open(t)
	a := Client(NewID())
	save(t, s, a)
	tests := []struct {
		id, name, mac string
		want          trust.Known
	}{
		{NewID(), a.Name, "", trust.Known{Name: true}},
		{NewID(), "  SPEAKER. ", "", trust.Known{Name: true}},
		{NewID(), "KÜCHE", "", trust.Known{Name: true}},
		{NewID(), "other", a.MAC, trust.Known{MAC: true}},
		{NewID(), a.Name, a.MAC, trust.Known{Name: true, MAC: true}},
		{NewID(), "other", "aa:bb:cc:dd:ee:02", trust.Known{}},
		{NewID(), "", "", trust.Known{}},
		{a.ID, a.Name, a.MAC, trust.Known{}},
	}
	save(t, s, trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at}) // says nothing: matches nothing
	for _, tt := range tests {
		got := read(t, s, func(ctx context.Context, tx desk.Tx) (trust.Known, error) {
			return tx.Known(ctx, tt.id, tt.name, tt.mac)
		})
		if got != tt.want {
			t.Errorf("Known(%q, %q): got %+v, want %+v", tt.name, tt.mac, got, tt.want)
		}
	}
}

func inbox(t *testing.T, b Backend) {
	s := b.Open(t)
	var ids []string
	for i := range 5 {
		c := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at, Waiting: &trust.Waiting{
			Reason: trust.WaitNew, Since: at, Knocked: at.Add(time.Duration(i) * time.Second), Expires: at.Add(time.Duration(i) * time.Hour),
		}}
		ids = append(ids, c.ID)
		save(t, s, c)
	}
	overflow := func(keep int) []string {
		return read(t, s, func(ctx context.Context, tx desk.Tx) ([]string, error) { return tx.InboxOverflow(ctx, keep) })
	}
	if got := overflow(5); len(got) != 0 {
		t.Errorf("overflow of a full inbox: %v", got)
	}
	if got := overflow(3); !slices.Equal(got, ids[:2]) {
		t.Errorf("overflow: got %v, want %v", got, ids[:2])
	}
	expired := func(now time.Time, limit int) []string {
		return read(t, s, func(ctx context.Context, tx desk.Tx) ([]string, error) { return tx.InboxExpired(ctx, now, limit) })
	}
	if got := expired(at.Add(2*time.Hour), 10); !slices.Equal(got, ids[:3]) {
		t.Errorf("expired: got %v, want %v", got, ids[:3])
	}
	if got := expired(at.Add(2*time.Hour), 1); !slices.Equal(got, ids[:1]) {
		t.Errorf("expired, one: got %v", got)
	}
	for i, id := range ids[:2] {
		c := client(t, s, id)
		c.Waiting = nil
		c.Approval = &trust.Approval{Actor: trust.ActorPolicy, At: at}
		save(t, s, c)
		n := read(t, s, func(ctx context.Context, tx desk.Tx) (int, error) { return tx.PolicyApprovals(ctx) })
		if n != i+1 {
			t.Errorf("policy approvals: got %d, want %d", n, i+1)
		}
	}
}

func pages(t *testing.T, b Backend) {
	s := b.Open(t)
	var want, got []string
	for range 7 {
		c := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at}
		want = append(want, c.ID)
		save(t, s, c)
	}
	for after := ""; ; {
		page := read(t, s, func(ctx context.Context, tx desk.Tx) ([]string, error) { return tx.Clients(ctx, after, 3) })
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1]
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func rollback(t *testing.T, b Backend) {
	s := b.Open(t)
	c, boom := Client(NewID()), errors.New("boom")
	err := s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		_, err := tx.AppendAudit(ctx, desk.Event{At: at, Actor: "a", Kind: "b.c"})
		return errors.Join(err, tx.SaveClient(ctx, c), tx.Enqueue(ctx, desk.Announcement{Kind: "client", Key: c.ID}), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want the error of fn", err)
	}
	wantMissing(t, s, c.ID)
	if got := events(t, s, 0, 10); len(got) != 0 {
		t.Fatalf("audit lines of a failed transaction: %v", got)
	}
	if got := waiting(t, s); len(got) != 0 {
		t.Fatalf("announcements of a failed transaction: %v", got)
	}
}

func events(t *testing.T, s desk.Store, since uint64, limit int) []desk.Event {
	t.Helper()
	return read(t, s, func(ctx context.Context, tx desk.Tx) ([]desk.Event, error) { return tx.Audit(ctx, since, limit) })
}

func waiting(t *testing.T, s desk.Store) []desk.Announcement {
	t.Helper()
	return read(t, s, func(ctx context.Context, tx desk.Tx) ([]desk.Announcement, error) { return tx.Outbox(ctx, 100) })
}

func ledger(t *testing.T, b Backend) {
	s := b.Open(t)
	const workers, each = 4, 10
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(context.Background(), func(ctx context.Context, tx desk.Tx) error {
					_, err := tx.AppendAudit(context.Background(), desk.Event{
						At: at.Add(time.Duration(i) * time.Millisecond), Actor: fmt.Sprint(w), Kind: "test.line", Detail: "ü"})
					return err
				})
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	must(t, <-errs)
	got := events(t, s, 0, 1000)
	if len(got) != workers*each {
		t.Fatalf("%d lines, want %d", len(got), workers*each)
	}
	var prev []byte
	for i, e := range got {
		if e.ID != uint64(i+1) || !bytes.Equal(e.Prev, prev) || !bytes.Equal(e.Hash, e.ChainHash()) {
			t.Fatalf("line %d is not linked: id %d, prev %x after %x", i+1, e.ID, e.Prev, prev)
		}
		prev = e.Hash
	}
	if page := events(t, s, 37, 2); len(page) != 2 || page[0].ID != 38 {
		t.Fatalf("page after 37: %+v", page)
	}
	if rest := events(t, s, 1<<63, 2); len(rest) != 0 {
		t.Fatalf("page after the end of time: %v", rest)
	}
}

func appendOnly(t *testing.T, b Backend) {
	s := b.Open(t)
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		_, err := tx.AppendAudit(ctx, desk.Event{At: at, Actor: "a", Kind: "b.c"})
		return err
	})
	for _, sql := range []string{
		"UPDATE audit SET actor = 'nobody'", "DELETE FROM audit",
		"INSERT INTO audit SELECT * FROM audit",
	} {
		if err := b.Raw(t, sql); err == nil {
			t.Errorf("%s was allowed", sql)
		}
	}
	if got := events(t, s, 0, 10); len(got) != 1 || got[0].Actor != "a" {
		t.Fatalf("the ledger changed: %+v", got)
	}
}

func outbox(t *testing.T, b Backend) {
	s := b.Open(t)
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		return tx.Enqueue(ctx, desk.Announcement{Kind: "client", Key: "a"}, desk.Announcement{Kind: "trust", Key: "b", Payload: []byte{0, 255}})
	})
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		return tx.Enqueue(ctx, desk.Announcement{Kind: "settings"})
	})
	got := waiting(t, s)
	if len(got) != 3 || got[0].Key != "a" || !bytes.Equal(got[1].Payload, []byte{0, 255}) || got[2].Kind != "settings" {
		t.Fatalf("outbox: %+v", got)
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.Announced(ctx, got[0].Seq, got[2].Seq) })
	if rest := waiting(t, s); len(rest) != 1 || rest[0].Seq != got[1].Seq {
		t.Fatalf("outbox after announcing: %+v", rest)
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.Announced(ctx) })
}

func settings(t *testing.T, b Backend) {
	s := b.Open(t)
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		return errors.Join(tx.PutSetting(ctx, "name", "A"), tx.PutSetting(ctx, "name", "B"), tx.PutSetting(ctx, "x", ""))
	})
	got := read(t, s, func(ctx context.Context, tx desk.Tx) (map[string]string, error) { return tx.Settings(ctx) })
	if want := map[string]string{"name": "B", "x": ""}; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// serialised: read-modify-write under LockClient loses nothing, on two openings.
func serialised(t *testing.T, b Backend) {
	stores := []desk.Store{b.Open(t), b.Open(t)}
	id := NewID()
	save(t, stores[0], trust.Client{ID: id, FirstSeen: at, LastSeen: at})
	const workers, each = 4, 10
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		wg.Go(func() {
			ctx := context.Background()
			for range each {
				err := stores[w%2].Update(ctx, func(ctx context.Context, tx desk.Tx) error {
					if err := tx.Lock(ctx, desk.LockOpen, desk.LockClient(id)); err != nil {
						return err
					}
					c, err := tx.Client(ctx, id)
					if err != nil {
						return err
					}
					c.LastSeen = c.LastSeen.Add(time.Second)
					return tx.SaveClient(ctx, c)
				})
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	must(t, <-errs)
	if got, want := client(t, stores[0], id).LastSeen, at.Add(workers*each*time.Second); !got.Equal(want) {
		t.Fatalf("updates were lost: %s, want %s", got, want)
	}
}

func reopen(t *testing.T, b Backend) {
	want := Client(NewID())
	s := b.Open(t)
	save(t, s, want)
	s.Close()
	if got := client(t, b.Open(t), want.ID); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func openAtOnce(t *testing.T, b Backend) {
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			s := b.Open(t)
			err := s.Update(t.Context(), func(ctx context.Context, tx desk.Tx) error {
				return tx.PutSetting(t.Context(), fmt.Sprint(i), "here")
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := read(t, b.Open(t), func(ctx context.Context, tx desk.Tx) (map[string]string, error) { return tx.Settings(ctx) })
	if len(got) != 3 {
		t.Fatalf("settings of three: %v", got)
	}
}

func cancelled(t *testing.T, b Backend) {
	s := b.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Update(ctx, func(ctx context.Context, tx desk.Tx) error { return tx.PutSetting(ctx, "a", "b") })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	if got := read(t, s, func(ctx context.Context, tx desk.Tx) (map[string]string, error) { return tx.Settings(ctx) }); len(got) != 0 {
		t.Fatalf("written after the end: %v", got)
	}
}
