// Package cover finds the pictures of local media: those embedded in tags, those beside
// the files, and portraits of artists.
//
// Nothing outside of the music folder is ever read: every file is opened through os.Root,
// which follows no link that leads out.
package cover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/dhowden/tag"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/stream/internal/art"
)

// Finder finds pictures below a music folder. Its methods are safe for concurrent use;
// they read from the disk, so they are not for goroutines that may not wait.
type Finder struct {
	// MusicDir is the music folder; empty finds nothing.
	MusicDir string
}

// Found is a picture and how it is read again.
type Found struct {
	Data   []byte
	Reload func(ctx context.Context) ([]byte, error)
}

// none is the error of what has no picture.
func none(p string) error { return fault.New(fault.NotFound, "%s has no picture", p) }

// Album returns the cover of a file: the picture in its tags, else the one beside it. p is
// a slash-separated path below the music folder; album is the album's title, "" when it
// is not known. For a folder only the picture in it is looked for. The error is
// fault.NotFound when there is none.
func (f Finder) Album(ctx context.Context, p, album string) (Found, error) {
	root, err := f.open()
	if err != nil {
		return Found{}, err
	}
	defer root.Close() //nolint:errcheck // read only
	info, err := root.Stat(p)
	if err != nil {
		return Found{}, fault.New(fault.NotFound, "%s cannot be read below the music folder", p)
	}
	dir := p
	if !info.IsDir() {
		if data, err := embedded(root, p); err == nil {
			return Found{data, f.again(p, embedded)}, nil
		}
		dir = path.Dir(p)
	}
	for ; ; dir = path.Dir(dir) {
		if err := ctx.Err(); err != nil {
			return Found{}, err
		}
		if found, err := f.inFolder(root, dir, covers(dir, album), true); err == nil {
			return found, nil
		}
		if !disc(path.Base(dir)) { // covers of an album of several discs lie above them
			return Found{}, none(p)
		}
	}
}

// Artist returns the portrait of the artist of a file: artist.jpg, or one with the
// artist's name, in the file's folder or the two above it.
func (f Finder) Artist(ctx context.Context, p, artist string) (Found, error) {
	root, err := f.open()
	if err != nil {
		return Found{}, err
	}
	defer root.Close() //nolint:errcheck // read only
	names := []string{"artist"}
	if artist != "" {
		names = append(names, strings.ToLower(artist))
	}
	dir := path.Dir(p)
	for range 3 {
		if err := ctx.Err(); err != nil {
			return Found{}, err
		}
		if found, err := f.inFolder(root, dir, names, false); err == nil {
			return found, nil
		}
		if dir == "." {
			break
		}
		dir = path.Dir(dir)
	}
	return Found{}, none(p)
}

func (f Finder) open() (*os.Root, error) {
	if f.MusicDir == "" {
		return nil, fault.New(fault.NotFound, "there is no music folder")
	}
	root, err := os.OpenRoot(f.MusicDir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the music folder cannot be read")
	}
	return root, nil
}

// again reads a picture from where it was found.
func (f Finder) again(p string, read func(*os.Root, string) ([]byte, error)) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		root, err := f.open()
		if err != nil {
			return nil, err
		}
		defer root.Close() //nolint:errcheck // read only
		return read(root, p)
	}
}

// covers are the names of a cover, best first, in lower case and without extension.
func covers(dir, album string) []string {
	names := []string{"cover", "folder", "front", "album", "albumart"}
	for _, s := range []string{album, path.Base(dir)} {
		if s != "" && s != "." {
			names = append(names, strings.ToLower(s))
		}
	}
	return names
}

// disc reports whether a folder is one disc of an album.
func disc(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"cd", "disc", "disk", "lp"} {
		if rest, ok := strings.CutPrefix(name, word); ok && strings.Trim(rest, " -_.0123456789") == "" && rest != "" {
			return true
		}
	}
	return false
}

var extensions = []string{".jpg", ".jpeg", ".png", ".webp", ".gif"}

// inFolder finds a picture by its name in a folder. With any, the only picture of a folder
// will do whatever it is called, but not in the music folder itself.
func (f Finder) inFolder(root *os.Root, dir string, names []string, any bool) (Found, error) {
	pictures, err := list(root, dir)
	if err != nil {
		return Found{}, err
	}
	try := func(file string) (Found, error) {
		p := path.Join(dir, file)
		data, err := whole(root, p)
		if err != nil {
			return Found{}, err
		}
		return Found{data, f.again(p, whole)}, nil
	}
	for _, name := range names {
		for _, ext := range extensions {
			i := slices.IndexFunc(pictures, func(s string) bool { return strings.EqualFold(s, name+ext) })
			if i < 0 {
				continue
			}
			if found, err := try(pictures[i]); err == nil {
				return found, nil
			}
		}
	}
	if any && dir != "." && len(pictures) == 1 && !strings.HasPrefix(strings.ToLower(pictures[0]), "artist.") {
		return try(pictures[0])
	}
	return Found{}, none(dir)
}

// maxListed bounds what is looked at in one folder.
const maxListed = 5000

// list returns the names of the pictures of a folder, sorted.
func list(root *os.Root, dir string) ([]string, error) {
	d, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // read only
	entries, err := d.ReadDir(maxListed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if slices.Contains(extensions, strings.ToLower(path.Ext(e.Name()))) && !e.IsDir() {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

// whole reads a picture file that Check takes.
func whole(root *os.Root, p string) ([]byte, error) {
	info, err := root.Stat(p)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > art.MaxBytes {
		return nil, fmt.Errorf("%s: %w", p, fs.ErrInvalid)
	}
	file, err := root.Open(p)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(file, art.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	_, _, err = art.Check(data)
	return data, err
}

// embedded reads the picture in a file's tags.
func embedded(root *os.Root, p string) (data []byte, err error) {
	info, err := root.Stat(p)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a FIFO would block
		return nil, none(p)
	}
	file, err := root.Open(p)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	defer func() {
		if v := recover(); v != nil { // the parser has its limits
			data, err = nil, fmt.Errorf("%s: malformed tags: %v", p, v)
		}
	}()
	m, err := tag.ReadFrom(file)
	if err != nil {
		return nil, err
	}
	pic := m.Picture()
	if pic == nil {
		return nil, none(p)
	}
	if _, _, err := art.Check(pic.Data); err != nil {
		return nil, err
	}
	return pic.Data, nil
}
