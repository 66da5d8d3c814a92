package vaultcmd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"

	"github.com/tutti-audio/tutti/proto/backup"
)

// maxWorkFactor bounds what a file may ask of this machine (2^22: 4 GiB), and
// maxServedFactor what one may ask that was sent to a server (2^18: 256 MiB; those that
// Tutti makes ask for half of it).
const (
	maxWorkFactor   = 22
	maxServedFactor = 18
)

// errPassphrase is the cause when a passphrase does not open a file.
var errPassphrase = errors.New("the passphrase does not open it")

// sealedFile is a backup that was opened with its passphrase.
type sealedFile struct {
	name   string // for messages
	file   io.Reader
	in     *backup.Reader
	header backup.Header
	trust  backup.Trust
}

// openFile opens a backup and reads who made it.
func openFile(name, passphrase string) (*sealedFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the backup cannot be read: %w", err)
	}
	s := &sealedFile{name: name, file: f}
	if err := s.begin(passphrase, maxWorkFactor); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

// close closes what openFile opened.
func (s *sealedFile) close() {
	if c, ok := s.file.(io.Closer); ok {
		_ = c.Close()
	}
}

func (s *sealedFile) begin(passphrase string, maxFactor int) error {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return fmt.Errorf("the passphrase cannot be used: %w", err)
	}
	id.SetMaxWorkFactor(maxFactor)
	plain, err := age.Decrypt(s.file, id)
	var no *age.NoIdentityMatchError
	switch {
	case errors.As(err, &no), errors.Is(err, age.ErrIncorrectIdentity):
		return &wrongPassphrase{s.name}
	case err != nil:
		return fmt.Errorf("%s is no backup of Tutti, or its beginning is damaged (%w)", s.name, err)
	}
	if s.in, err = backup.NewReader(plain); err != nil {
		return s.explain(err)
	}
	first, err := s.next()
	if err != nil {
		return err
	}
	second, err := s.next()
	if err != nil {
		return err
	}
	if first.Header == nil || second.Trust == nil {
		return s.explain(backup.ErrForm)
	}
	s.header, s.trust = *first.Header, *second.Trust
	return nil
}

// next is the next record; io.EOF when the whole file was read and its seal checked.
func (s *sealedFile) next() (backup.Record, error) {
	r, err := s.in.Next()
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, backup.ErrTruncated) {
		return r, err
	}
	return r, s.explain(err)
}

// explain says what is wrong with the file. What age says of a changed or cut off file
// has no type of its own.
func (s *sealedFile) explain(err error) error {
	switch {
	case errors.Is(err, backup.ErrNewer), errors.Is(err, backup.ErrTruncated), errors.Is(err, backup.ErrForm):
		return fmt.Errorf("%s cannot be used: %w", s.name, err)
	}
	return fmt.Errorf("%s is damaged or not whole: %w; take another copy of it, or another backup", s.name, err)
}

// wrongPassphrase says that a passphrase does not open a file.
type wrongPassphrase struct{ file string }

func (e *wrongPassphrase) Error() string {
	return fmt.Sprintf("the passphrase does not open %s: try again; it is the one that was given when the backup was made", e.file)
}

func (e *wrongPassphrase) Unwrap() error { return errPassphrase }
