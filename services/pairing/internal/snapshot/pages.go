package snapshot

import (
	"fmt"

	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
)

const (
	// pageSize is how much of a snapshot is sealed into one page: with the seal it is
	// below the 512 KiB of the contract.
	pageSize = 480 << 10
	// maxSize bounds a snapshot in memory (compressed): about a million audit lines.
	maxSize = 96 << 20
)

// tooLarge says that the database does not fit into a snapshot.
type tooLarge struct{}

func (tooLarge) Error() string {
	return fmt.Sprintf("the pairing database is larger than a backup may be (%d MiB, compressed): back PostgreSQL up with its own tools, "+
		"together with the deployment key", maxSize>>20)
}

// pages cuts what is written into pages and seals each at once, so that no more than
// one page of secrets is in memory open.
type pages struct {
	recipient []byte
	open      []byte
	sealed    [][]byte
	size      int
}

// Write implements io.Writer.
func (p *pages) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n := min(len(b)-done, pageSize-len(p.open))
		p.open = append(p.open, b[done:done+n]...)
		done += n
		if len(p.open) == pageSize {
			if err := p.cut(); err != nil {
				return done, err
			}
		}
	}
	return len(b), nil
}

// cut seals the page that is open.
func (p *pages) cut() error {
	if len(p.open) == 0 {
		return nil
	}
	s, err := secret.SealTo(p.recipient, p.open)
	clear(p.open)
	p.open = p.open[:0]
	if err != nil {
		return err
	}
	if p.size += len(s); p.size > maxSize {
		return tooLarge{}
	}
	p.sealed = append(p.sealed, s)
	return nil
}
