package users

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/fault"
)

// SetUpFile is the name of the file in the data directory that holds the set-up code
// while it counts.
const SetUpFile = "setup-code"

// alphabet is Crockford's base 32: no I, L, O, U. A code of 12 has 60 bits.
const (
	alphabet   = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeLength = 12
	codeGroup  = 4
)

// NewCode draws a set-up code such as 7K3M-Q9TX-2VHC.
func NewCode() string {
	var b [codeLength]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	out := make([]byte, 0, codeLength+codeLength/codeGroup)
	for i, x := range b {
		if i > 0 && i%codeGroup == 0 {
			out = append(out, '-')
		}
		out = append(out, alphabet[int(x)%len(alphabet)])
	}
	return string(out)
}

// plainCode is a code as it is compared: what people mistake in reading is the same.
func plainCode(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'O':
			return '0'
		case r == 'I' || r == 'L':
			return '1'
		case r == '-' || r == ' ' || r == '\t':
			return -1
		}
		return r
	}, strings.ToUpper(code))
}

func codeHash(code string) string {
	h := sha256.Sum256([]byte("tutti set-up code " + plainCode(code)))
	return hex.EncodeToString(h[:])
}

// OfferSetUp makes a new code while there is no user, writes it to dir (unless that is
// empty), and returns it; "" when the server is set up. The newest code is the one that
// counts, in all instances.
func (s *Store) OfferSetUp(ctx context.Context, dir string) (string, error) {
	if !s.Empty() {
		return "", dropFile(dir)
	}
	code := NewCode()
	if _, err := s.bucket.Put(ctx, keySetUp, wrapperspb.Bytes([]byte(codeHash(code)))); err != nil {
		return "", fmt.Errorf("management: keep the set-up code: %w", err)
	}
	if dir == "" {
		return code, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("management: make the data directory for the set-up code: %w", err)
	}
	// A file of an earlier start has the mode that it was made with; a new one is ours.
	if err := dropFile(dir); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, SetUpFile), []byte(code+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("management: write the set-up code: %w", err)
	}
	return code, nil
}

func dropFile(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, SetUpFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("management: remove the set-up code: %w", err)
	}
	return nil
}

// CheckSetUp says whether code opens the first set-up: nil, fault.Conflict when it is done
// already, fault.Unauthorized when the code is wrong.
func (s *Store) CheckSetUp(ctx context.Context, code string) error {
	if !s.Empty() {
		return errSetUp
	}
	v, _, err := s.bucket.Get(ctx, keySetUp)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return fmt.Errorf("management: read the set-up code: %w", err)
	}
	if want := string(v.GetValue()); want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(codeHash(code))) != 1 {
		return fault.New(fault.Unauthorized, "the code is not the one that the server printed when it last started")
	}
	return nil
}

// EndSetUp removes the code when the first user is there. It is of no use by then, so a
// failure is no more than untidy.
func (s *Store) EndSetUp(ctx context.Context, dir string) error {
	return errors.Join(s.bucket.Delete(ctx, keySetUp), dropFile(dir))
}
