package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// spool makes a stream that can only be read once seekable: what has been read lies in
// a temporary file, and reading beyond it downloads on. It is bounded.
type spool struct {
	r     *remote
	file  *os.File
	have  int64 // bytes in file
	done  bool  // the stream has ended
	limit int64
	pos   int64
	buf   []byte
}

// spoolFiles matches the temporary files in a folder.
const spoolFiles = "tutti-*.media"

// MakeTempDir makes the folder of Options.TempDir, for this user alone, and removes what a
// process left there that died in the moment between making a file and taking its name
// away. Other processes may use the folder at the same time.
func MakeTempDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder for temporary files: %w", err)
	}
	f, err := os.CreateTemp(dir, spoolFiles) // it may have been there, and not be ours
	if err != nil {
		return fmt.Errorf("folder for temporary files: %w", err)
	}
	entries, err := os.ReadDir(dir) // the one just made, too
	errs := []error{f.Close(), err}
	for _, e := range entries {
		if ours, _ := filepath.Match(spoolFiles, e.Name()); ours {
			errs = append(errs, unname(filepath.Join(dir, e.Name())))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("folder for temporary files: %w", err)
	}
	return nil
}

func newSpool(r *remote, limit int64, dir string) (media, error) {
	f, err := os.CreateTemp(dir, spoolFiles)
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("%s: make a temporary file: %w", redact(r.uri), err)
	}
	// Nobody else needs its name, and without one it vanishes with the process.
	if err := unname(f.Name()); err != nil {
		_ = r.Close()
		return nil, errors.Join(fmt.Errorf("%s: temporary file: %w", redact(r.uri), err), f.Close())
	}
	return &spool{r: r, file: f, limit: limit, buf: make([]byte, 64<<10)}, nil
}

// unname takes a file's name away; another process that begins in the same folder may have
// done it.
func unname(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *spool) Size() int64 {
	if s.done {
		return s.have
	}
	return s.r.size
}

func (s *spool) Local() bool { return false }

// Interrupt ends a read that is under way, and all that follow. Safe for concurrent use.
func (s *spool) Interrupt() { s.r.Interrupt() }

// fill downloads until the file holds byte `to` or the stream ends.
func (s *spool) fill(to int64) error {
	for s.have <= to && !s.done {
		n, err := s.r.readBody(s.buf)
		if n > 0 {
			if s.have+int64(n) > s.limit {
				return fmt.Errorf("%s: more than %d bytes from a server without ranges: save it in the music folder", redact(s.r.uri), s.limit)
			}
			if _, err := s.file.WriteAt(s.buf[:n], s.have); err != nil {
				return fmt.Errorf("%s: temporary file: %w", redact(s.r.uri), err)
			}
			s.have += int64(n)
		}
		if errors.Is(err, io.EOF) {
			s.done = true
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.fill(s.pos); err != nil {
		return 0, err
	}
	if s.pos >= s.have {
		return 0, io.EOF
	}
	n, err := s.file.ReadAt(p[:min(int64(len(p)), s.have-s.pos)], s.pos)
	s.pos += int64(n)
	return n, err
}

// Seek to the end needs the whole, if the server did not say how long it is.
func (s *spool) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd && s.Size() < 0 {
		if err := s.fill(s.limit); err != nil {
			return 0, err
		}
	}
	pos, err := seekTo(offset, whence, s.pos, s.Size())
	if err == nil {
		s.pos = pos
	}
	return pos, err
}

func (s *spool) Close() error { return errors.Join(s.file.Close(), s.r.Close()) }
