package source

import (
	"context"
	"errors"
)

// Entry is one folder or playable file of the music folder.
type Entry struct {
	Name string // file name, without folders
	Path string // slash-separated path below the music folder; Open accepts it
	Dir  bool
	Size int64  // bytes; 0 for folders
	Info Info   // zero for folders, and for files that were not probed
	Err  string // why a file that looks playable is not; empty when it is
}

// List lists one folder of the music folder (path "" is its root): folders first,
// then playable files, each by name. Tags are read from at most MaxProbe files; the
// rest have a zero Info. It lists at most MaxEntries entries.
func List(ctx context.Context, musicDir, path string) ([]Entry, error) {
	return nil, errors.New("source: not built yet")
}

// Scan walks the folder dir and all below it, and calls progress for each folder and
// playable file as it is found. An error from progress ends the walk and is returned.
func Scan(ctx context.Context, dir string, progress func(Entry) error) error {
	return errors.New("source: not built yet")
}
