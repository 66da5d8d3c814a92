package ctlcmd

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tutti-audio/tutti/sendspin/pairtoken"
)

const (
	// maxTokenFile is the largest file of tokens, in bytes: some 80,000 of them.
	maxTokenFile = 10 << 20
	// maxTokenLine is the longest line of one.
	maxTokenLine = 64 << 10
)

// tokenLine is a usable line of a file of pairing tokens.
type tokenLine struct {
	line     int
	token    string
	clientID string // the device's key, which the token names
}

// badLine is a line that cannot be used. why never repeats it: it may hold a secret.
type badLine struct {
	line int
	why  string
}

// tokenFile is what a file of tokens says.
type tokenFile struct {
	tokens     []tokenLine
	bad        []badLine
	duplicates []badLine
}

// readTokenFile reads a file of tokens; - is standard input.
func readTokenFile(path string, stdin io.Reader) (tokenFile, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return tokenFile{}, fmt.Errorf("the file of pairing tokens cannot be read: %w", err)
		}
		defer f.Close()
		in = f
	}
	return parseTokens(in)
}

// parseTokens reads pairing tokens, one per line. Blank lines, comments (#), a byte
// order mark, quotes and all columns but the first are left out, and so is a heading.
func parseTokens(in io.Reader) (tokenFile, error) {
	var out tokenFile
	limited := &io.LimitedReader{R: in, N: maxTokenFile + 1}
	sc := bufio.NewScanner(limited)
	sc.Buffer(nil, maxTokenLine)
	seen := map[string]int{}
	rows := 0
	for n := 1; sc.Scan(); n++ {
		cell := firstColumn(strings.TrimPrefix(sc.Text(), "\ufeff"))
		if cell == "" {
			continue
		}
		rows++
		if rows == 1 && isHeading(cell) {
			continue
		}
		t, err := pairtoken.DecodePSK(cell)
		if err != nil {
			out.bad = append(out.bad, badLine{n, tokenWords(err)})
			continue
		}
		id := base64.RawURLEncoding.EncodeToString(t.ClientKey[:])
		clear(t.PSK[:])
		if first := seen[id]; first > 0 {
			out.duplicates = append(out.duplicates, badLine{n, fmt.Sprintf("names the same device as line %d", first)})
			continue
		}
		seen[id] = n
		out.tokens = append(out.tokens, tokenLine{n, cell, id})
	}
	if limited.N <= 0 {
		return out, fmt.Errorf("the file of pairing tokens is larger than %d MB: is it the right file?", maxTokenFile>>20)
	}
	if err := sc.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return out, errors.New("the file of pairing tokens has a line that is far too long: is it the right file?")
		}
		return out, fmt.Errorf("the file of pairing tokens cannot be read: %w", err)
	}
	return out, nil
}

// firstColumn is the first cell of a line, without comment, quotes and white space. No
// token holds any of the characters that end it.
func firstColumn(line string) string {
	if i := strings.IndexAny(line, "#,;\t"); i >= 0 {
		line = line[:i]
	}
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(line), `"'`))
}

// isHeading recognises the first row of a table.
func isHeading(cell string) bool {
	switch strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(cell)) {
	case "token", "tokens", "pairingtoken", "pairingtokens", "sendspintoken":
		return true
	}
	return false
}

func tokenWords(err error) string {
	switch {
	case errors.Is(err, pairtoken.ErrVersion):
		return "holds another kind of code than a pairing token (SP:0…)"
	case errors.Is(err, pairtoken.ErrShort):
		return "holds a pairing token that was cut off"
	}
	return "holds no pairing token, or a damaged one"
}
