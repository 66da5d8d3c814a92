package index

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tutti-audio/tutti/platform/obs"
)

// The file of the index. It is a cache: what cannot be read is scanned anew.
const (
	fileName    = "library-index"
	fileVersion = 1
	maxFile     = 512 << 20
)

type fileHead struct {
	Version  int
	MusicDir string
	Tracks   int
}

// load takes over what an earlier run knew.
func (x *Index) load() {
	if x.cfg.CacheDir == "" {
		return
	}
	f, err := os.Open(filepath.Join(x.cfg.CacheDir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		defer f.Close() //nolint:errcheck // read only
		var all map[string]*Track
		if all, err = x.decode(io.LimitReader(f, maxFile)); err == nil {
			x.publish(all)
			return
		}
	}
	x.cfg.Log.Warn("the kept library index cannot be used: the music folder is read anew", obs.KeyErr, err)
}

func (x *Index) decode(r io.Reader) (map[string]*Track, error) {
	dec := gob.NewDecoder(bufio.NewReader(r))
	var h fileHead
	if err := dec.Decode(&h); err != nil {
		return nil, err
	}
	if h.Version != fileVersion || h.MusicDir != x.cfg.MusicDir {
		return nil, fmt.Errorf("it is of version %d and folder %s", h.Version, h.MusicDir)
	}
	all := map[string]*Track{}
	for range h.Tracks {
		t := &Track{}
		if err := dec.Decode(t); err != nil {
			return nil, err
		}
		t.index()
		all[t.Path] = t
	}
	return all, nil
}

// save keeps the index for the next start. A crash in between leaves the old file.
func (x *Index) save() {
	x.unsaved = false
	if x.cfg.CacheDir == "" {
		return
	}
	if err := x.write(); err != nil {
		x.cfg.Log.Warn("the library index is not kept: the next start reads the music folder anew", obs.KeyErr, err)
	}
}

func (x *Index) write() error {
	if err := os.MkdirAll(x.cfg.CacheDir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(x.cfg.CacheDir, fileName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its final name then
	w := bufio.NewWriter(f)
	enc := gob.NewEncoder(w)
	s := x.snap.Load()
	err = enc.Encode(fileHead{fileVersion, x.cfg.MusicDir, len(s.ordered)})
	for _, t := range s.ordered {
		err = errors.Join(err, enc.Encode(t))
	}
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(x.cfg.CacheDir, fileName))
}
