package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

func enrolments(t *testing.T, b Backend) {
	s := b.Open(t)
	all := func(ctx context.Context, tx desk.Tx) ([]desk.Enrolment, error) { return tx.Enrolments(ctx, 10) }
	if got := read(t, s, all); len(got) != 0 {
		t.Fatalf("a new store: %v", got)
	}
	late := desk.Enrolment{ClientID: NewID(), SealedPSK: []byte{1, 0, 255}, Actor: "admin", State: desk.EnrolFailed, Detail: "so",
		Attempts: 3, Added: at.Add(time.Minute), Updated: at.Add(time.Hour)}
	early := desk.Enrolment{ClientID: NewID(), Actor: "admin", State: desk.EnrolPaired, Added: at, Updated: at}
	for _, e := range []desk.Enrolment{late, early} {
		update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.PutEnrolment(ctx, e) })
	}
	if got := read(t, s, all); !reflect.DeepEqual(got, []desk.Enrolment{early, late}) {
		t.Fatalf("got %+v", got)
	}
	if got := read(t, s, func(ctx context.Context, tx desk.Tx) ([]desk.Enrolment, error) { return tx.Enrolments(ctx, 1) }); len(got) != 1 {
		t.Fatalf("a limit of 1: %+v", got)
	}
	late.SealedPSK, late.State, late.Attempts = nil, desk.EnrolWaiting, 4
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.PutEnrolment(ctx, late) })
	one := func(id string) func(ctx context.Context, tx desk.Tx) (desk.Enrolment, error) {
		return func(ctx context.Context, tx desk.Tx) (desk.Enrolment, error) { return tx.Enrolment(ctx, id) }
	}
	if got := read(t, s, one(late.ClientID)); !reflect.DeepEqual(got, late) {
		t.Fatalf("got %+v, want %+v", got, late)
	}
	sweep := func(before time.Time) (n int) {
		update(t, s, func(ctx context.Context, tx desk.Tx) (err error) {
			n, err = tx.SweepEnrolments(ctx, before)
			return err
		})
		return n
	}
	if n := sweep(at); n != 0 {
		t.Fatalf("%d swept too early", n)
	}
	if n := sweep(at.Add(24 * time.Hour)); n != 1 { // what waits is never swept
		t.Fatalf("%d swept", n)
	}
	remove := func() (was bool) {
		update(t, s, func(ctx context.Context, tx desk.Tx) (err error) {
			was, err = tx.DeleteEnrolment(ctx, late.ClientID)
			return err
		})
		return was
	}
	if !remove() || remove() {
		t.Fatal("the removal does not say what it did")
	}
	err := s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		_, err := tx.Enrolment(ctx, late.ClientID)
		return err
	})
	if !errors.Is(err, desk.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
}

func storedPairing(t *testing.T, b Backend) {
	s := b.Open(t)
	c := trust.Client{ID: NewID(), FirstSeen: at, LastSeen: at}
	save(t, s, c)
	get := func(ctx context.Context, tx desk.Tx) (desk.PairingRecord, error) { return tx.StoredPairing(ctx, c.ID) }
	err := s.View(t.Context(), func(ctx context.Context, tx desk.Tx) error {
		_, err := get(ctx, tx)
		return err
	})
	if !errors.Is(err, desk.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error {
		return tx.PutPairingRecord(ctx, c.ID, []byte("sealed"), at)
	})
	if got, want := read(t, s, get), (desk.PairingRecord{Sealed: []byte("sealed"), At: at}); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	update(t, s, func(ctx context.Context, tx desk.Tx) error { return tx.MarkUnpairing(ctx, c.ID) })
	if !read(t, s, get).Unpairing {
		t.Fatal("it is not marked")
	}
}
