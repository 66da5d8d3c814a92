package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tutti-audio/tutti/audio/source"
)

const (
	// enoughSpace is what the bus, the database and their growth want.
	enoughSpace = 500 << 20
	// maxWalk bounds the look at the music folder.
	maxWalk = 200_000
)

// checkDataDir looks whether the server can keep its state, and whether others
// could read its secrets.
func checkDataDir(_ context.Context, s settings) []Result {
	const name = "data directory"
	if s.DataDir == "" {
		return []Result{{name, Fail, "there is no home directory to keep state in", "name a directory with --data-dir"}}
	}
	info, err := os.Stat(s.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existingParent(s.DataDir)
		if !writable(parent) {
			return []Result{{name, Fail, fmt.Sprintf("%s does not exist and cannot be made in %s", s.DataDir, parent),
				"make it and give it to the server's user, or name another with --data-dir"}}
		}
		return []Result{{name, OK, s.DataDir + " will be made on the first start", ""}, checkSpace(parent)}
	case err != nil:
		return []Result{{name, Fail, err.Error(), "mend its permissions, or name another with --data-dir"}}
	case !info.IsDir():
		return []Result{{name, Fail, s.DataDir + " is not a directory", "name another with --data-dir"}}
	case !writable(s.DataDir):
		return []Result{{name, Fail, s.DataDir + " is not writable by this user", "run this as the server's user, or: chown -R <user> " + s.DataDir}}
	}
	out := []Result{{name, OK, s.DataDir + " is writable", ""}}
	if open := readableByOthers(s.DataDir); len(open) > 0 {
		out[0] = Result{name, Warn, "others on this machine may read " + strings.Join(open, ", "), "chmod go-rwx " + strings.Join(open, " ")}
	}
	return append(out, checkSpace(s.DataDir))
}

// readableByOthers lists what holds secrets and is not for its owner alone.
func readableByOthers(dir string) []string {
	var out []string
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 == 0 {
		return nil // who cannot enter cannot read
	}
	for _, f := range []string{"admin-token", "deployment-key", "tutti.db"} {
		path := filepath.Join(dir, f)
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			out = append(out, path)
		}
	}
	return out
}

// writable tries it, for permissions alone do not tell (read-only mounts, ACLs).
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".tutti-doctor-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

func existingParent(dir string) string {
	for {
		parent := filepath.Dir(dir)
		if _, err := os.Stat(parent); err == nil || parent == dir {
			return parent
		}
		dir = parent
	}
}

func checkSpace(dir string) Result {
	const name = "disk"
	free, err := freeSpace(dir)
	switch {
	case err != nil:
		return Result{name, Warn, "the free space cannot be told: " + err.Error(), "look yourself: df -h " + dir}
	case free < enoughSpace:
		return Result{name, Warn, fmt.Sprintf("%d MiB are free", free>>20), "free some space: the bus and the database want 500 MiB"}
	}
	return Result{name, OK, fmt.Sprintf("%.1f GiB are free", float64(free)/(1<<30)), ""}
}

// checkMusic counts what can be played and what cannot be read.
func checkMusic(ctx context.Context, s settings) []Result {
	const name = "music"
	if s.Music == "" {
		return []Result{{name, Warn, "no music folder is configured", "name one with --music DIR; http(s) addresses and tones can be played without"}}
	}
	info, err := os.Stat(s.Music)
	switch {
	case err != nil:
		return []Result{{name, Fail, plainPath(err), "create it, mount it, or name another with --music"}}
	case !info.IsDir():
		return []Result{{name, Fail, s.Music + " is not a folder", "name a folder with --music"}}
	}
	c, err := countMusic(ctx, s.Music)
	switch {
	case c.files == 0 && err != nil:
		return []Result{{name, Fail, s.Music + " cannot be read: " + plainPath(err), "let the server's user read it: chmod -R go+rX " + s.Music}}
	case c.files == 0:
		return []Result{{name, Warn, "no file that can be played is below " + s.Music, "put some there, or name another folder with --music"}}
	case len(c.unreadable) > 0:
		return []Result{{name, Warn, fmt.Sprintf("%s, but %d cannot be read, such as %s", c, c.unreadableCount, c.unreadable[0]),
			"let the server's user read them: chmod -R go+rX " + s.Music}}
	}
	return []Result{{name, OK, fmt.Sprintf("%s below %s", c, s.Music), ""}}
}

// count is what is in the music folder.
type count struct {
	files, unreadableCount int
	unreadable             []string // the first of them
	cut                    bool
}

func (c count) String() string {
	if c.cut {
		return fmt.Sprintf("more than %d playable files", c.files)
	}
	return fmt.Sprintf("%d playable files", c.files)
}

func countMusic(ctx context.Context, root string) (c count, first error) {
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if seen++; seen > maxWalk || ctx.Err() != nil {
			c.cut = true
			return fs.SkipAll
		}
		switch {
		case err != nil:
			if first == nil {
				first = err
			}
			c.skip(path)
		case d.IsDir() || !source.Playable(d.Name()): // by name; the server looks at the content
		case !readable(path):
			c.skip(path)
		default:
			c.files++
		}
		return nil
	})
	if first == nil {
		first = err
	}
	return c, first
}

func (c *count) skip(path string) {
	c.unreadableCount++
	if len(c.unreadable) == 0 {
		c.unreadable = append(c.unreadable, path)
	}
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

func plainPath(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}
