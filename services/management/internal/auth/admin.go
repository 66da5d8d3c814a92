package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TokenFile is the name of the admin token's file in the data directory.
const TokenFile = "admin-token"

// NewSecret makes a token of 256 random bits. The prefix lets people and secret
// scanners see what it is.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "tutti_" + base64.RawURLEncoding.EncodeToString(b[:])
}

// AdminToken returns the deployment's admin token: configured, when it is not
// empty, else the one in <dataDir>/admin-token, which is made (mode 0600) when it
// does not exist yet. created says that it was made now.
func AdminToken(configured, dataDir string) (token string, created bool, err error) {
	if t := strings.TrimSpace(configured); t != "" {
		return t, false, nil
	}
	path := filepath.Join(dataDir, TokenFile)
	b, err := os.ReadFile(path)
	if err == nil {
		return checkTokenFile(path, b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read the admin token: %w", err)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return "", false, fmt.Errorf("make the data directory for the admin token: %w", err)
	}
	token = NewSecret()
	switch err := writeNew(path, token+"\n"); {
	case errors.Is(err, fs.ErrExist):
		// Another instance on the same directory was faster: its token counts.
		b, err := os.ReadFile(path)
		if err != nil {
			return "", false, fmt.Errorf("read the admin token: %w", err)
		}
		return checkTokenFile(path, b)
	case err != nil:
		return "", false, fmt.Errorf("write the admin token: %w", err)
	}
	return token, true, nil
}

func checkTokenFile(path string, b []byte) (string, bool, error) {
	t := strings.TrimSpace(string(b))
	if t == "" {
		return "", false, fmt.Errorf("the admin token file %s is empty: delete it, and the next start makes a new token", path)
	}
	return t, false, nil
}

// writeNew writes a file that must not exist, whole or not at all: a crash in
// between must not leave an empty token behind.
func writeNew(path, content string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+TokenFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path) // fails when path exists
}
