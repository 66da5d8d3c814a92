package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Version names the content of a file below the music folder, by its path, size and time
// of change. ok is false for every other address, and for what is not there.
func Version(uri, musicDir string) (version string, ok bool) {
	p := uri
	if scheme, rest, found := strings.Cut(uri, ":"); found {
		if !strings.EqualFold(scheme, "file") {
			return "", false
		}
		var err error
		if p, err = filePath(rest, musicDir); err != nil {
			return "", false
		}
	}
	local := filepath.FromSlash(p)
	if musicDir == "" || !filepath.IsLocal(local) {
		return "", false
	}
	root, err := os.OpenRoot(musicDir)
	if err != nil {
		return "", false
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(local)
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	return fmt.Sprintf("%s|%d|%d", filepath.Clean(local), info.Size(), info.ModTime().UnixNano()), true
}
