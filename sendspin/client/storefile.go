package client

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// write replaces the file in one step: a crash leaves the old or the new one.
func (s *Store) write(d stored) (err error) {
	if s.path == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("client: write identity file: %w", err)
		}
	}()
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(s.path)
	tmp, err := os.CreateTemp(dir, ".identity-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(append(raw, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), s.path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func seal(prefix string, secret []byte) string {
	return prefix + base64.RawURLEncoding.EncodeToString(secret)
}

func unseal(prefix, s string) ([]byte, error) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return nil, errors.New("missing or of another kind")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s[len(prefix):])
	if err != nil || len(b) != 32 {
		return nil, errors.New("damaged")
	}
	return b, nil
}

func loadPSK(prefix, s string) (noise.PSK, error) {
	b, err := unseal(prefix, s)
	if err != nil {
		return noise.PSK{}, err
	}
	return noise.NewPSK(b)
}
