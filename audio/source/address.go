package source

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// maxList bounds a playlist at an address.
const maxList = 4 << 20

// PlaylistError says that an address is that of a list of media, which is not played but
// expanded: Body is the list, and Base what its relative addresses mean.
type PlaylistError struct {
	Base *url.URL
	Body []byte
}

func (e *PlaylistError) Error() string {
	return httpName(e.Base.String()) + ": a playlist: play or add it as a whole"
}

// openWeb asks for an address once, and opens what its answer is: a station, an HLS
// stream, a list, or a file.
func openWeb(ctx context.Context, uri string, o Options) (Source, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s: not a usable address: want http://host/path", redact(uri))
	}
	w := newWeb(o)
	a, err := w.get(ctx, uri, map[string]string{"Range": "bytes=0-", "Icy-MetaData": "1"})
	if err != nil {
		w.close()
		return nil, err
	}
	head := a.Body.peek(512)
	if isList(a.Response, head) {
		return openList(ctx, uri, w, a, o)
	}
	if isStation(a.Header) {
		return openRadio(ctx, uri, w, a, o)
	}
	m, err := openHTTP(ctx, uri, w, a, o)
	if err != nil {
		return nil, err
	}
	return openMedia(ctx, m, httpName(uri), o, false)
}

// listTypes are the content types of playlists, those that people's servers really send.
var listTypes = []string{"audio/x-mpegurl", "audio/mpegurl", "application/x-mpegurl", "application/vnd.apple.mpegurl", "audio/x-scpls",
	"application/pls+xml", "application/xspf+xml"}

// isList tells a playlist by its beginning, its content type, or its name.
func isList(resp *http.Response, head []byte) bool {
	start := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n"))
	if bytes.HasPrefix(start, []byte("#extm3u")) || bytes.HasPrefix(start, []byte("[playlist]")) {
		return true
	}
	if bytes.ContainsRune(start, 0) || len(start) == 0 { // audio, whatever it is called
		return false
	}
	kind, _, _ := strings.Cut(strings.ToLower(resp.Header.Get("Content-Type")), ";")
	if slices.Contains(listTypes, strings.TrimSpace(kind)) {
		return true
	}
	switch strings.ToLower(path.Ext(resp.Request.URL.Path)) {
	case ".m3u", ".m3u8", ".pls", ".xspf":
		return !bytes.HasPrefix(start, []byte("<html")) && !bytes.HasPrefix(start, []byte("<!doctype"))
	}
	return false
}

// openList reads a playlist. One of HLS is played, another is the caller's.
func openList(ctx context.Context, uri string, w *web, a *answer, o Options) (Source, error) {
	b, err := readBounded(a.Body, maxList)
	_ = a.Body.Close()
	if err != nil {
		w.close()
		return nil, fmt.Errorf("%s: read the playlist: %w", redact(uri), err)
	}
	base := a.Request.URL
	if bytes.Contains(b, []byte("#EXT-X-TARGETDURATION")) || bytes.Contains(b, []byte("#EXT-X-STREAM-INF")) {
		return openHLS(ctx, uri, base, b, w, o)
	}
	w.close()
	return nil, &PlaylistError{Base: base, Body: b}
}
