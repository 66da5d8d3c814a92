package feed

import (
	"fmt"
	"sync"
	"testing"
)

func event(n int) Event {
	return Event{Kind: "k", Body: func() []byte { return []byte(fmt.Sprint(n)) }}
}

func TestReadResumesAfterTheCursor(t *testing.T) {
	f := New(4)
	f.Append(event(1), event(2))
	f.Append(event(3))
	b := f.Read(1)
	if b.Gap || len(b.Events) != 2 || string(b.Events[0].Body()) != "2" || b.Cursor != 3 {
		t.Fatalf("Read(1) = %+v", b)
	}
	if b = f.Read(3); b.Gap || len(b.Events) != 0 {
		t.Fatalf("Read(3) = %+v, want nothing", b)
	}
	select {
	case <-b.Changed:
		t.Fatal("Changed is closed before a change")
	default:
	}
	f.Append(event(4))
	<-b.Changed
}

func TestReaderBehindTheRingIsToldOfTheGap(t *testing.T) {
	f := New(4)
	for i := 1; i <= 100; i++ {
		f.Append(event(i))
		for cursor := uint64(0); cursor <= uint64(i); cursor++ {
			b := f.Read(cursor)
			if wantGap := i-int(cursor) > 4; b.Gap != wantGap {
				t.Fatalf("after %d events, Read(%d).Gap = %v, want %v", i, cursor, b.Gap, wantGap)
			}
			if !b.Gap {
				for j, e := range b.Events {
					if want := cursor + 1 + uint64(j); e.Seq != want || string(e.Body()) != fmt.Sprint(want) {
						t.Fatalf("Read(%d).Events[%d] = seq %d body %s, want %d", cursor, j, e.Seq, e.Body(), want)
					}
				}
			}
		}
	}
}

func TestBatchLongerThanTheRingKeepsTheNewest(t *testing.T) {
	f := New(3)
	var all []Event
	for i := 1; i <= 20; i++ {
		all = append(all, event(i))
	}
	f.Append(all...)
	if b := f.Read(17); b.Gap || len(b.Events) != 3 || b.Events[2].Seq != 20 {
		t.Fatalf("Read(17) = %+v", b)
	}
}

func TestCursorKnowsItsOwnFeed(t *testing.T) {
	f, other := New(4), New(4)
	f.Append(event(1))
	if c, ok := f.Cursor(f.ID(1)); !ok || c != 1 {
		t.Errorf("own id: %d, %v", c, ok)
	}
	for _, id := range []string{other.ID(0), "", "1", f.ID(1) + "x", f.ID(99), "-1"} {
		if _, ok := f.Cursor(id); ok {
			t.Errorf("Cursor(%q) was taken", id)
		}
	}
}

func TestReadersNeverSeeAViewChange(t *testing.T) {
	f := New(8)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cursor := uint64(0)
			for cursor < 2000 {
				b := f.Read(cursor)
				for i := 1; i < len(b.Events); i++ {
					if b.Events[i].Seq != b.Events[i-1].Seq+1 {
						t.Errorf("sequence jumps from %d to %d", b.Events[i-1].Seq, b.Events[i].Seq)
						return
					}
				}
				cursor = b.Cursor
				if cursor < 2000 {
					<-b.Changed
				}
			}
		})
	}
	for i := range 2000 {
		f.Append(event(i))
	}
	wg.Wait()
}
