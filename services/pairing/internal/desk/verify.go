package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// verifyPage is how many lines one view reads, verifyPart how many one request
	// checks, so that it is answered in time.
	verifyPage = 1000
	verifyPart = 25_000
	// searchLimit bounds the search for the number that a misplaced line had.
	searchLimit = 5_000_000
	hashSize    = 32
)

// Report is what a check of the ledger found.
type Report struct {
	Lines    uint64 // that are in order
	Head     Head   // the last line that is in order
	BrokenAt uint64 // number of the first line that is wrong; 0: none
	Problem  string // in words; "" when nothing is wrong
	More     bool   // the check stopped before the end, without a fault so far
}

// OK says that the ledger is whole.
func (r Report) OK() bool { return r.Problem == "" }

// Viewer is the part of a Store that a check needs.
type Viewer interface {
	View(ctx context.Context, fn func(context.Context, Tx) error) error
}

// VerifyLedger walks the chain from its first line, page by page, and stops at the
// first fault. known is a head that was written down earlier (in the log, on paper):
// the ledger must hold that line; zero: none is known. Lines may be appended
// meanwhile. An error says that the ledger could not be read.
func VerifyLedger(ctx context.Context, s Viewer, known Head) (Report, error) {
	return verify(ctx, s, Head{}, known, math.MaxInt)
}

// verify checks what follows a line, and stops after so many lines.
func verify(ctx context.Context, s Viewer, after, known Head, limit int) (Report, error) {
	c := &checker{known: known, at: math.MinInt64, last: after, found: known.ID <= after.ID}
	if after.ID > 0 {
		c.at = int64(after.ID)
	}
	more := false
	for c.broken == "" {
		if more = c.lines >= uint64(limit); more {
			break
		}
		var page []Event
		var head Head
		err := s.View(ctx, func(ctx context.Context, tx Tx) (err error) {
			if page, err = tx.AuditPage(ctx, c.at, verifyPage); err != nil {
				return err
			}
			head, err = tx.AuditHead(ctx)
			if errors.Is(err, ErrNotFound) {
				head, err = Head{}, nil
			}
			return err
		})
		if err != nil {
			return Report{}, err
		}
		c.most = max(c.most, head.ID)
		for _, e := range page {
			if !c.line(e) {
				break
			}
		}
		if len(page) == 0 && c.end(head) {
			break
		}
		c.promised = head.ID
	}
	return Report{Lines: c.lines, Head: c.last, BrokenAt: c.brokenAt, Problem: c.broken, More: more}, nil
}

// checker holds what is known of the chain so far.
type checker struct {
	known Head
	found bool  // the known head was met
	at    int64 // where the next page begins
	lines uint64
	last  Head
	most  uint64 // greatest number that any line may have had
	// promised is the end of the ledger as it was before the last page was read.
	promised uint64

	brokenAt uint64
	broken   string
}

func (c *checker) fail(at uint64, format string, a ...any) bool {
	c.brokenAt, c.broken = at, fmt.Sprintf(format, a...)
	return false
}

// line checks the next line; false when it is wrong.
func (c *checker) line(e Event) bool {
	c.at = int64(e.ID)
	c.most = max(c.most, e.ID)
	want := c.last.ID + 1
	switch {
	case int64(e.ID) < 1:
		return c.fail(1, "a line was inserted before the first one (its number is %d)", int64(e.ID))
	case e.ID == want+1:
		return c.fail(want, "line %d is missing: it was removed", want)
	case e.ID > want:
		return c.fail(want, "lines %d to %d are missing: they were removed", want, e.ID-1)
	}
	if !bytes.Equal(e.Hash, e.ChainHash()) {
		return c.misfit(e)
	}
	if !bytes.Equal(e.Prev, c.last.Hash) {
		return c.fail(e.ID, "line %d does not carry on from the line before it: one of the two was changed or inserted, and its hash made anew", e.ID)
	}
	if e.ID == c.known.ID {
		c.found = true
		if !bytes.Equal(e.Hash, c.known.Hash) {
			return c.fail(e.ID, "line %d is not the line whose hash you know: the ledger was rewritten, that line or one before it", e.ID)
		}
	}
	c.lines, c.last = c.lines+1, Head{e.ID, e.Hash}
	return true
}

// misfit says what is wrong with a line whose hash is not that of its content. A
// line that fits under another number was moved.
func (c *checker) misfit(e Event) bool {
	moved := e
	for n := uint64(1); n <= min(c.most+1, searchLimit); n++ {
		if moved.ID = n; !bytes.Equal(e.Hash, moved.ChainHash()) {
			continue
		}
		switch {
		case n < e.ID:
			return c.fail(e.ID, "line %d is out of place: it was line %d; lines were reordered, or one was inserted before it", e.ID, n)
		default:
			return c.fail(e.ID, "line %d is out of place: it was line %d; lines were reordered, or some before it removed", e.ID, n)
		}
	}
	return c.fail(e.ID, "line %d was changed: its content does not fit its hash (%s, %q by %q)", e.ID,
		e.At.Format("2006-01-02 15:04:05"), e.Kind, e.Actor)
}

// end compares where the lines end with where the ledger says they end. It is false
// when more lines have come meanwhile, or when something is wrong.
func (c *checker) end(head Head) bool {
	switch {
	case head.ID > c.last.ID && c.promised <= c.last.ID:
		return false // appended after the page was read: they come with the next one
	case head.ID > c.last.ID:
		return c.cutOff(head)
	case head.ID < c.last.ID:
		return c.fail(head.ID+1, "lines %d to %d are later than the recorded end of the ledger (%d): they were inserted past it, or the end was set back", head.ID+1, c.last.ID, head.ID)
	case !bytes.Equal(head.Hash, c.last.Hash):
		return c.fail(head.ID, "line %d is not the line that the ledger ended with: it was replaced", head.ID)
	case !c.found:
		return c.fail(c.last.ID+1, "the ledger ends at line %d, before line %d, which you know: its end was cut off", c.last.ID, c.known.ID)
	}
	return true
}

func (c *checker) cutOff(head Head) bool {
	if head.ID == c.last.ID+1 {
		return c.fail(head.ID, "line %d is missing: the end of the ledger was cut off", head.ID)
	}
	return c.fail(c.last.ID+1, "lines %d to %d are missing: the end of the ledger was cut off", c.last.ID+1, head.ID)
}

// VerifyAudit answers tutti.v1.pairing.audit.verify.
func (d *Desk) VerifyAudit(ctx context.Context, req *pb.AuditVerifyRequest) (*pb.AuditVerifyResponse, error) {
	known := Head{ID: req.GetHeadId(), Hash: req.GetHeadHash()}
	after := Head{ID: req.GetAfterId(), Hash: req.GetAfterHash()}
	for field, h := range map[string]Head{"head_hash": known, "after_hash": after} {
		if (h.ID == 0) != (len(h.Hash) == 0) || len(h.Hash) != 0 && len(h.Hash) != hashSize {
			return nil, fault.New(fault.Invalid, "a head is the number of a line and its hash of %d bytes, both or neither", hashSize).
				WithField(field, "does not belong to a head")
		}
	}
	r, err := verify(ctx, d.Store, after, known, verifyPart)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		d.log(ctx, "").Error("the audit ledger is broken", "broken_at", r.BrokenAt, "problem", r.Problem)
	}
	return &pb.AuditVerifyResponse{
		Ok: r.OK(), Lines: r.Lines, HeadId: r.Head.ID, HeadHash: r.Head.Hash, BrokenAt: r.BrokenAt, Problem: r.Problem, More: r.More,
	}, nil
}
