package source

import (
	"path"
	"strings"
)

// LocalPath returns the slash-separated path below musicDir that a uri names, as Open
// takes it: a relative path or a file: address. ok is false for everything else, and for
// what leads outside. Whether there is such a file is not looked at.
func LocalPath(uri, musicDir string) (p string, ok bool) {
	scheme, rest, has := strings.Cut(uri, ":")
	switch {
	case uri == "" || musicDir == "":
		return "", false
	case !has:
		p = uri
	case strings.EqualFold(scheme, "file"):
		var err error
		if p, err = filePath(rest, musicDir); err != nil {
			return "", false
		}
	default:
		return "", false
	}
	p = path.Clean(p)
	if path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") {
		return "", false
	}
	return p, true
}
