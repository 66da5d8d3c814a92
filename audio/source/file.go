package source

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// file is media on disk.
type file struct {
	*os.File
	size int64
}

func (f *file) Size() int64 { return f.size }
func (f *file) Local() bool { return true }

// filePath turns what follows "file:" into a path below musicDir: file:a/b, or
// file:///music/a/b when /music is the music folder. Percent escapes are resolved.
func filePath(rest, musicDir string) (string, error) {
	p, err := url.PathUnescape(rest)
	if err != nil {
		return "", fmt.Errorf("bad escape in the address: %w", err)
	}
	if after, ok := strings.CutPrefix(p, "//"); ok {
		host, tail, _ := strings.Cut(after, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("host %q in a file address: only files of this machine can be opened", host)
		}
		p = "/" + tail
	}
	if !strings.HasPrefix(p, "/") {
		return p, nil
	}
	if musicDir == "" {
		return p, nil // openFile says what is missing
	}
	abs, err := filepath.Abs(musicDir)
	if err != nil {
		return "", fmt.Errorf("find the music folder: %w", err)
	}
	rel, err := filepath.Rel(abs, filepath.Clean(p))
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%w %s: only files below it can be played", ErrOutside, musicDir)
	}
	return rel, nil
}

// openFile opens a path below musicDir. os.Root refuses every way out: "..", absolute
// paths, and symbolic links that lead outside.
func openFile(p, musicDir string) (media, error) {
	if musicDir == "" {
		return nil, fmt.Errorf("%s: no music folder is configured: start with --music DIR", p)
	}
	local := filepath.FromSlash(p)
	if !filepath.IsLocal(local) {
		return nil, fmt.Errorf("%s: %w: only files below it can be played", p, ErrOutside)
	}
	root, err := os.OpenRoot(musicDir)
	if err != nil {
		return nil, fmt.Errorf("open the music folder %s: %w", musicDir, err)
	}
	defer func() { _ = root.Close() }() // opened files outlive it
	return openIn(root, local)
}

func openIn(root *os.Root, local string) (media, error) {
	// A FIFO or a device would block or never end: look before opening.
	info, err := root.Stat(local)
	if err != nil {
		return nil, explain(filepath.ToSlash(local), err)
	}
	if !info.Mode().IsRegular() {
		what := "not a regular file"
		if info.IsDir() {
			what = "a folder, not a file: play its files"
		}
		return nil, fmt.Errorf("%s: %s", filepath.ToSlash(local), what)
	}
	f, err := root.Open(local)
	if err != nil {
		return nil, explain(filepath.ToSlash(local), err)
	}
	return &file{File: f, size: info.Size()}, nil
}

// explain words what opening below the music folder can meet. The cause stays in the
// chain.
func explain(p string, err error) error {
	cause := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		cause = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w below the music folder: check its path, or look for it with 'tutti library search'", p, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: make it readable for the user that runs tutti", p, fs.ErrPermission)
	case strings.Contains(cause.Error(), "escapes"): // os.Root's error has no sentinel
		return fmt.Errorf("%s: a link leads %w: only files below it can be played", p, ErrOutside)
	}
	return fmt.Errorf("%s: %w", p, cause)
}
