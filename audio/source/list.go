package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of listings: they keep a strange folder from costing more than a moment.
const (
	MaxEntries = 10_000 // of one folder
	MaxProbe   = 500    // files of one List whose tags are read
	MaxDepth   = 32     // of Scan below its folder
)

// ErrTooMany ends a listing of a folder with more than MaxEntries entries.
var ErrTooMany = errors.New("too many entries in one folder")

// Entry is one folder or playable file of the music folder.
type Entry struct {
	Name string // file name, without folders
	Path string // slash-separated path below the music folder; Open accepts it
	Dir  bool
	Size int64  // bytes; 0 for folders
	Mod  int64  // time of the last change, Unix ns; 0 for folders
	Info Info   // zero for folders, and for files that were not probed
	Err  string // why a file that looks playable is not; empty when it is
}

// Playable reports whether a file name looks like one that Open can play. What counts
// in the end is the content.
func Playable(name string) bool {
	return playable[strings.ToLower(path.Ext(name))] && !strings.HasPrefix(name, ".")
}

// IsPlaylist reports whether a file name looks like that of a list of media.
func IsPlaylist(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".m3u", ".m3u8", ".pls", ".xspf":
		return !strings.HasPrefix(name, ".")
	}
	return false
}

// Playlist reports whether the entry is a list of media.
func (e Entry) Playlist() bool { return !e.Dir && IsPlaylist(e.Name) }

// Folder lists one folder like List, without opening its files.
func Folder(musicDir, dir string) ([]Entry, error) {
	root, err := openRoot(musicDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return readDir(root, dir)
}

// Describe reads what the file p below Options.MusicDir says about itself, without what
// only playing needs.
func Describe(ctx context.Context, p string, o Options) (Info, error) {
	s, err := openLocal(ctx, p, o, true)
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = s.Close() }() // read only: nothing can be lost
	return s.Info(), nil
}

// List lists one folder of the music folder (path "" is its root): folders first, then
// playable files, each by name without regard to case. Hidden ones are left out. Tags
// are read of the first MaxProbe files; the rest have a zero Info. A missing folder
// satisfies errors.Is(err, fs.ErrNotExist), a path that leads outside ErrOutside.
func List(ctx context.Context, musicDir, dir string) ([]Entry, error) {
	root, err := openRoot(musicDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	entries, err := readDir(root, dir)
	if err != nil {
		return nil, err
	}
	probed := 0
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !entries[i].Dir && !entries[i].Playlist() && probed < MaxProbe {
			probed++
			entries[i].probe(ctx, root)
		}
	}
	return entries, nil
}

// Scan walks the music folder musicDir and all below it, depth first, and calls
// progress for each folder and playable file as it is found, with tags. It keeps one
// folder at a time in memory. Folders that cannot be read are reported as entries with
// Err. An error from progress, or of ctx, ends the walk and is returned.
func Scan(ctx context.Context, musicDir string, progress func(Entry) error) error {
	root, err := openRoot(musicDir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return scan(ctx, root, "", 0, progress)
}

func scan(ctx context.Context, root *os.Root, dir string, depth int, progress func(Entry) error) error {
	entries, err := readDir(root, dir)
	if err != nil {
		return progress(Entry{Name: path.Base(dir), Path: dir, Dir: true, Err: err.Error()})
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Dir && !e.Playlist() {
			e.probe(ctx, root)
		}
		if err := progress(e); err != nil {
			return err
		}
		if e.Dir && depth < MaxDepth { // links can make circles: the depth ends them
			if err := scan(ctx, root, e.Path, depth+1, progress); err != nil {
				return err
			}
		}
	}
	return nil
}

func openRoot(musicDir string) (*os.Root, error) {
	if musicDir == "" {
		return nil, errors.New("no music folder is configured: start with --music DIR")
	}
	root, err := os.OpenRoot(musicDir)
	if err != nil {
		return nil, fmt.Errorf("open the music folder %s: %w", musicDir, err)
	}
	return root, nil
}

// readDir reads and sorts one folder without opening its files.
func readDir(root *os.Root, dir string) ([]Entry, error) {
	local := filepath.FromSlash(path.Clean("./" + dir))
	if !filepath.IsLocal(local) {
		return nil, fmt.Errorf("%s: %w", dir, ErrOutside)
	}
	f, err := root.Open(local)
	if err != nil {
		return nil, explain(dir, err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s: not a folder", dir)
	}
	names, err := f.ReadDir(MaxEntries + 1)
	if len(names) > MaxEntries {
		return nil, fmt.Errorf("%s: %w (%d): make sub-folders", dir, ErrTooMany, MaxEntries)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, explain(dir, err)
	}
	var out []Entry
	for _, n := range names {
		if strings.HasPrefix(n.Name(), ".") {
			continue
		}
		e := Entry{Name: n.Name(), Path: path.Join(dir, n.Name())}
		info, err := root.Stat(filepath.FromSlash(e.Path)) // follows links, inside only
		switch {
		case err != nil:
			continue // a dangling link, or one that leads outside
		case info.IsDir():
			e.Dir = true
		case info.Mode().IsRegular() && (Playable(e.Name) || IsPlaylist(e.Name)):
			e.Size, e.Mod = info.Size(), info.ModTime().UnixNano()
		default:
			continue
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.Dir != b.Dir {
			if a.Dir {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// probe reads the tags of a file.
func (e *Entry) probe(ctx context.Context, root *os.Root) {
	m, err := openIn(root, filepath.FromSlash(e.Path))
	if err != nil {
		e.Err = err.Error()
		return
	}
	s, err := openMedia(ctx, m, e.Name, Options{}, true)
	if err != nil {
		e.Err = err.Error()
		return
	}
	e.Info = s.Info()
	_ = s.Close()
}
