package source

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Path is the path below musicDir of uri, a path or a file: address.
func Path(musicDir, uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.EqualFold(scheme, "file") {
		return uri, nil
	}
	p, err := filePath(rest, musicDir)
	return filepath.ToSlash(p), err
}

// ReadFile reads a file below musicDir, of at most limit bytes.
func ReadFile(musicDir, p string, limit int64) ([]byte, error) {
	m, err := openFile(p, musicDir)
	if err != nil {
		return nil, err
	}
	defer m.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(m, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", p, limit)
	}
	return b, err
}

// Beside is the path below musicDir of what a playlist in the folder dir calls ref. Other
// systems' separators are understood, and escapes where a plain name does not exist, or
// always when ref is escaped (XSPF).
func Beside(musicDir, dir, ref string, escaped bool) (string, error) {
	if scheme, rest, ok := strings.Cut(ref, ":"); ok && strings.EqualFold(scheme, "file") {
		p, err := filePath(rest, musicDir)
		if err != nil {
			return "", fmt.Errorf("%s: %w", ref, err)
		}
		return existing(musicDir, filepath.ToSlash(p))
	}
	if len(ref) > 2 && ref[1] == ':' && (ref[2] == '\\' || ref[2] == '/') {
		return "", fmt.Errorf("%s: %w: a path of another computer", ref, ErrOutside)
	}
	if plain, err := url.PathUnescape(ref); err == nil && plain != ref {
		if p, err := besideName(musicDir, dir, plain); err == nil || escaped {
			return p, err
		}
	}
	return besideName(musicDir, dir, ref)
}

func besideName(musicDir, dir, name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		p, err := filePath(strings.ReplaceAll(name, "%", "%25"), musicDir)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return existing(musicDir, filepath.ToSlash(p))
	}
	p, err := existing(musicDir, path.Join(dir, name))
	if err != nil && strings.Contains(name, "\\") {
		return existing(musicDir, path.Join(dir, strings.ReplaceAll(name, "\\", "/")))
	}
	return p, err
}

// existing checks that p is a file below musicDir.
func existing(musicDir, p string) (string, error) {
	local := filepath.FromSlash(p)
	if !filepath.IsLocal(local) {
		return "", fmt.Errorf("%s: %w", p, ErrOutside)
	}
	root, err := openRoot(musicDir)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	st, err := root.Stat(local)
	switch {
	case err != nil:
		return "", explain(p, err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("%s: not a file: %w", p, os.ErrNotExist)
	}
	return p, nil
}

// MayLead reports whether a document of a server may name media at host: only of hosts
// that are no closer to this machine than the server is, as far as their names tell.
func MayLead(server, host string) bool {
	h, err := hostScope(host)
	if err != nil {
		return false
	}
	s, err := hostScope(server)
	return err == nil && h <= s
}

// hostScope is the scope of a host by its name or number.
func hostScope(host string) (int, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return scope(ip)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	// "127.1" and "0x7f000001" are addresses to some resolvers.
	if last := host[strings.LastIndexByte(host, '.')+1:]; last == "" || last[0] >= '0' && last[0] <= '9' {
		return 0, errors.New("no usable host")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return scopeLoopback, nil
	}
	for _, local := range []string{".local", ".lan", ".home", ".internal", ".home.arpa", ".fritz.box"} {
		if strings.HasSuffix(host, local) {
			return scopePrivate, nil
		}
	}
	if !strings.Contains(host, ".") {
		return scopePrivate, nil
	}
	return scopePublic, nil
}
