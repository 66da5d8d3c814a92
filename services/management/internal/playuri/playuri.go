// Package playuri checks what an operator asks to play before it goes on the
// bus, so that a typing mistake is answered with a sentence and not with silence.
package playuri

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest uri, in bytes.
const MaxLength = 4096

// Frequencies of a tone in Hz.
const (
	minTone = 20
	maxTone = 20000
)

// Check says what is wrong with uri, or nil. The error is one sentence for the
// operator. It cannot know whether the thing exists: that is the stream
// service's answer.
//
// Allowed are a path below the music folder (a folder, too), file:, http:, https:, what
// other programs hand over (pipe:, tcp:, tcp-listen:), what a device captures (source:),
// sounds for setting up (tone:, noise:, sweep:, channels:) and synth: (the demo's pieces).
// A word before a colon that is none of the
// known schemes belongs to a path, as in "Mozart: Requiem.flac".
func Check(uri string) error {
	switch {
	case uri == "":
		return fmt.Errorf("is empty: name a file below the music folder, or an address")
	case len(uri) > MaxLength:
		return fmt.Errorf("is longer than %d bytes", MaxLength)
	case !utf8.ValidString(uri):
		return fmt.Errorf("is not valid UTF-8")
	case strings.ContainsFunc(uri, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return fmt.Errorf("holds a control character")
	}
	scheme, rest, found := cutScheme(uri)
	if !found {
		return checkPath(uri)
	}
	switch scheme {
	case "http", "https":
		return checkHTTP(uri)
	case "file":
		return checkFile(uri)
	case "tone":
		return checkTone(rest)
	case "synth":
		return checkSynth(rest)
	case "pipe":
		return checkPipe(rest)
	case "tcp", "tcp-listen":
		return checkTCP(scheme, rest)
	case "noise":
		if rest != "white" && rest != "pink" {
			return fmt.Errorf("is noise of a kind %q: choose noise:white or noise:pink", rest)
		}
		return nil
	case "sweep":
		return checkSweep(rest)
	case "channels":
		return nil
	case "source":
		return checkSource(rest)
	case "clip":
		return fmt.Errorf("is a clip, which is for announcements alone: announce it, or put the file into the music folder")
	}
	if strings.HasPrefix(rest, "//") {
		return fmt.Errorf("scheme %q is none of file, http, https, source, pipe, tcp, tcp-listen, tone, noise, sweep, channels", scheme)
	}
	return checkPath(uri)
}

// CheckAnnounce is Check for what is announced, which may be a clip, too (clip:).
func CheckAnnounce(uri string) error {
	scheme, id, found := cutScheme(uri)
	if !found || scheme != "clip" {
		return Check(uri)
	}
	if len(id) == 0 || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') }) {
		return fmt.Errorf("names no clip: write it as POST /api/v1/clips answered it")
	}
	return nil
}

// cutScheme splits off a scheme of RFC 3986. A colon after a slash belongs to a
// path; so does one after a character that no scheme has ("1: Intro.flac").
func cutScheme(uri string) (scheme, rest string, found bool) {
	scheme, rest, found = strings.Cut(uri, ":")
	if !found || scheme == "" {
		return "", uri, false
	}
	for i, r := range scheme {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '+' || r == '-' || r == '.')) {
			return "", uri, false
		}
	}
	return strings.ToLower(scheme), rest, true
}

// checkPath keeps a path below the music folder.
func checkPath(p string) error {
	if strings.HasPrefix(p, "/") {
		return fmt.Errorf("is an absolute path: give the path below the music folder, or a file: address")
	}
	if strings.Contains(p, "\\") && strings.Contains(p, "..\\") {
		return fmt.Errorf("leaves the music folder")
	}
	clean := path.Clean(p)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("leaves the music folder")
	}
	return nil
}

func checkHTTP(uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("is not an address: %w", unwrapURL(err))
	}
	if u.Hostname() == "" {
		return fmt.Errorf("names no host")
	}
	if u.User != nil {
		return fmt.Errorf("holds a user name or password, which would be shown to everybody who sees the queue; serve the file without")
	}
	if s := u.Port(); s != "" {
		if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("port %q is not between 1 and 65535", s)
		}
	}
	return nil
}

func checkFile(uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("is not an address: %w", unwrapURL(err))
	}
	if u.Host != "" && u.Host != "localhost" {
		return fmt.Errorf("names the host %q: file: addresses are of the server's own files; write file:///path", u.Host)
	}
	p := u.Path
	if p == "" {
		p = u.Opaque
	}
	if p == "" {
		return fmt.Errorf("names no file")
	}
	return nil
}

func checkTone(hz string) error {
	f, err := strconv.ParseFloat(hz, 64)
	if err != nil || !(f >= minTone && f <= maxTone) {
		return fmt.Errorf("is a tone of %q Hz: give a number from %d to %d, such as tone:440", hz, minTone, maxTone)
	}
	return nil
}

// checkPipe wants an absolute path and, if any, a format.
func checkPipe(rest string) error {
	p, query, _ := strings.Cut(rest, "?")
	if !strings.HasPrefix(p, "/") {
		return fmt.Errorf("names no pipe: give its absolute path, such as pipe:/run/tutti/librespot.pcm")
	}
	return checkRaw(query)
}

func checkTCP(scheme, rest string) error {
	addr, query, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
	host, port, err := net.SplitHostPort(addr)
	n, nerr := strconv.Atoi(port)
	switch {
	case scheme == "tcp" && !strings.HasPrefix(rest, "//"), err != nil, nerr != nil, n < 1, n > 65535, scheme == "tcp" && host == "", strings.ContainsAny(addr, "/@"):
		return fmt.Errorf("is no address of the form tcp://host:port or tcp-listen:127.0.0.1:port")
	}
	return checkRaw(query)
}

// checkRaw checks the setting of what arrives as PCM.
func checkRaw(query string) error {
	v, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("has a malformed setting: %w", err)
	}
	for name := range v {
		if name != "format" {
			return fmt.Errorf("has the setting %q: there is only format", name)
		}
	}
	parts := strings.Split(v.Get("format"), ":")
	if v.Get("format") != "" && (len(parts) != 3 || !slices.Contains([]string{"s16le", "s24le", "s32le", "f32le"}, parts[0])) {
		return fmt.Errorf("has the format %q: write encoding:rate:channels, such as s16le:44100:2 (encodings: s16le, s24le, s32le, f32le)", v.Get("format"))
	}
	return nil
}

func checkSweep(s string) error {
	from, to, _ := strings.Cut(s, "-")
	lo, err1 := strconv.ParseFloat(from, 64)
	hi, err2 := strconv.ParseFloat(to, 64)
	if err1 != nil || err2 != nil || !(lo >= 1 && lo < hi && hi <= maxTone) {
		return fmt.Errorf("is a sweep of %q Hz: give two numbers up to %d, the lower first, such as sweep:20-20000", s, maxTone)
	}
	return nil
}

func checkSynth(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) {
		return fmt.Errorf("names no piece of the demo: 'tutti library' lists them")
	}
	return nil
}

// checkSource wants the id of a device: 32 bytes in base64url.
func checkSource(id string) error {
	if b, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(b) != 32 {
		return fmt.Errorf("names no device: write source: and the 43 characters of its client_id")
	}
	return nil
}

// unwrapURL drops the uri that url.Error repeats.
func unwrapURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// Source is the client whose capture uri names; ok is false for any other uri.
func Source(uri string) (clientID string, ok bool) {
	scheme, rest, found := cutScheme(uri)
	return rest, found && scheme == "source"
}
