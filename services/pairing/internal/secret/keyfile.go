package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DefaultKeyFile is the name of the key in the data directory; NextKeyFile that of the
// key that is about to take its place.
const (
	DefaultKeyFile = "deployment-key"
	NextKeyFile    = DefaultKeyFile + ".next"
)

// Source says where the deployment key comes from.
type Source struct {
	File    string // must exist when set
	Text    string // the key itself; not together with File
	DataDir string // holds DefaultKeyFile when neither is set
}

// Load reads the key. When neither File nor Text is set and the data directory
// holds no key, mayCreate decides: true makes a new key there (mode 0600, synced),
// false is an error, since a new key could not open what is already sealed.
func (s Source) Load(mayCreate bool) (Key, error) {
	switch {
	case s.File != "" && s.Text != "":
		return Key{}, errors.New("deployment key: give either a key file or the key itself (TUTTI_DEPLOYMENT_KEY), not both")
	case s.Text != "":
		k, err := ParseKey([]byte(s.Text))
		if err != nil {
			return Key{}, fmt.Errorf("deployment key in TUTTI_DEPLOYMENT_KEY: %w", err)
		}
		return k, nil
	case s.File != "":
		return readKey(s.File)
	case s.DataDir == "":
		return Key{}, errors.New("deployment key: none given and no data directory to keep one in; set --deployment-key-file")
	}
	path := filepath.Join(s.DataDir, DefaultKeyFile)
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if !mayCreate {
		return Key{}, fmt.Errorf("the deployment key %s is missing, and the database already holds secrets that were sealed under it; "+
			"put the key back, or point --deployment-key-file at it (a new key would lose every pairing, so none is made)", path)
	}
	return createKey(path)
}

func readKey(path string) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, fmt.Errorf("read the deployment key: %w", err)
	}
	if info.Size() > 4096 {
		return Key{}, fmt.Errorf("deployment key %s: a file of %d bytes is no key", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read the deployment key: %w", err)
	}
	k, err := ParseKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("deployment key %s: %w", path, err)
	}
	return k, nil
}

// createKey writes a new key so that either the whole file is there after a
// crash or nothing is; of two processes one wins and both read the same key.
func createKey(path string) (Key, error) {
	k, err := NewKey()
	if err != nil {
		return Key{}, err
	}
	fail := func(err error) (Key, error) { return Key{}, fmt.Errorf("create the deployment key: %w", err) }
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fail(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), DefaultKeyFile+".new-*") // mode 0600
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(k.b[:]) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fail(err)
	}
	if err := os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return readKey(path)
	} else if err != nil {
		return fail(err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fail(err)
	}
	return k, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// LoadOrCreate reads a key file, or makes one (mode 0600, synced) where there is none.
func LoadOrCreate(path string) (Key, error) {
	k, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path)
	}
	return k, err
}

// Replace puts the key file from in the place of the one at path.
func Replace(from, path string) error {
	if err := os.Rename(from, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Next is the key that waits in the data directory to take the place of the other:
// a rotation that did not come to its end left it there.
func (s Source) Next() (k Key, path string, ok bool) {
	if s.DataDir == "" || s.File != "" || s.Text != "" {
		return Key{}, "", false
	}
	path = filepath.Join(s.DataDir, NextKeyFile)
	k, err := readKey(path)
	return k, path, err == nil
}
