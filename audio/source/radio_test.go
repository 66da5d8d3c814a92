package source_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
)

// radio is a station on the loopback. It sends a file again and again: burst bytes at
// once, then as the test says.
type radio struct {
	*httptest.Server
	t        *testing.T
	data     []byte
	kind     string        // content type
	interval int           // of titles; 0: none
	drop     chan struct{} // ends the connection that is open
	mu       sync.Mutex
	title    string
	refuse   []int // statuses of the next requests
	requests []http.Header
	sent     atomic.Int64
}

func newRadio(t *testing.T, data []byte, kind string) *radio {
	r := &radio{t: t, data: data, kind: kind, drop: make(chan struct{}, 1), interval: 8000}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

func (r *radio) say(title string) { r.mu.Lock(); r.title = title; r.mu.Unlock() }

func (r *radio) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Header.Clone())
	if len(r.refuse) > 0 {
		status := r.refuse[0]
		r.refuse = r.refuse[1:]
		r.mu.Unlock()
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		return
	}
	r.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", r.kind)
	h.Set("icy-name", "R\xe4dio Test")
	h.Set("icy-br", "128")
	titles := r.interval > 0 && req.Header.Get("Icy-MetaData") == "1"
	if titles {
		h.Set("icy-metaint", fmt.Sprint(r.interval))
	}
	w.WriteHeader(http.StatusOK)
	said := ""
	for at := 0; ; {
		part := r.data[at:min(at+r.chunk(), len(r.data))]
		if at += len(part); at == len(r.data) {
			at = 0
		}
		if _, err := w.Write(part); err != nil {
			return
		}
		if titles && len(part) == r.interval {
			r.mu.Lock()
			text := ""
			if r.title != said {
				said, text = r.title, "StreamTitle='"+r.title+"';StreamUrl='http://x';"
			}
			r.mu.Unlock()
			for len(text)%16 != 0 {
				text += "\x00"
			}
			if _, err := w.Write(append([]byte{byte(len(text) / 16)}, text...)); err != nil {
				return
			}
		}
		w.(http.Flusher).Flush()
		r.sent.Add(int64(len(part)))
		select {
		case <-r.drop:
			panic(http.ErrAbortHandler)
		case <-req.Context().Done():
			return
		case <-time.After(200 * time.Millisecond): // of half a second: a little is there in advance
		}
	}
}

func (r *radio) chunk() int {
	if r.interval > 0 {
		return r.interval
	}
	return 8000
}

// stationFile is a whole number of intervals of a stream.
func stationFile(t *testing.T, codec ...string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s")
	encode(t, name, codec...)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b)/8000*8000]
}

func title(s source.Source) (titles []source.Title) {
	for {
		next, ok := s.(source.Titler).NextTitle()
		if !ok {
			return titles
		}
		titles = append(titles, next)
	}
}

func TestRadioPlaysTellsTitlesAndComesBack(t *testing.T) {
	mp3 := stationFile(t, "-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3", "-write_xing", "0", "-id3v2_version", "0")
	r := newRadio(t, mp3, "audio/mpeg")
	r.say("Wir sind Helden - M\xfcssen nur wollen")
	s, err := source.Open(t.Context(), r.URL+"/stream", source.Options{UserAgent: "Tutti/9"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if i := s.Info(); !i.Live || i.Seekable || i.Codec != "mp3" || i.SampleRate != 44100 || i.Channels != 2 || i.Tags.Title != "Rädio Test" || i.Tags.DurationMS != 0 {
		t.Errorf("info %+v", i)
	}
	ear := &listener{t, s}
	var told []source.Title
	frames := int64(0)
	hear := func(what string, ok func() bool) {
		ear.until(what, func(heard []int32) bool {
			frames += int64(len(heard))
			told = append(told, title(s)...)
			return ok()
		})
	}
	hear("the first title", func() bool { return len(told) > 0 })
	if told[0].Artist != "Wir sind Helden" || told[0].Title != "Müssen nur wollen" || told[0].Frame > frames {
		t.Errorf("title %+v", told[0])
	}
	// Titles come with the audio behind them: 8000 bytes of 128 kbit/s are half a second.
	if told[0].Frame < 15_000 || told[0].Frame > 30_000 {
		t.Errorf("the first title begins at frame %d, want about 22050", told[0].Frame)
	}
	r.say("It's 'quoted'; here")
	hear("the second title", func() bool { return len(told) > 1 })
	if told[1].Title != "It's 'quoted'; here" || told[1].Artist != "" {
		t.Errorf("title %+v", told[1])
	}
	// The connection breaks, and the server wants to be left alone for a second.
	r.mu.Lock()
	r.refuse = []int{http.StatusServiceUnavailable, http.StatusNotFound}
	before := len(r.requests)
	r.mu.Unlock()
	r.drop <- struct{}{}
	r.say("Back")
	hear("the title after the break", func() bool { return told[len(told)-1].Title == "Back" })
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.requests) - before; n != 3 {
		t.Errorf("%d requests after the break, want 3", n)
	}
	if h := r.requests[0]; h.Get("User-Agent") != "Tutti/9" || h.Get("Icy-Metadata") != "1" {
		t.Errorf("request %v", h)
	}
}

// A station that stops sending is silence, not a stall and not an end.
func TestRadioSilenceWhileAStationIsGone(t *testing.T) {
	mp3 := stationFile(t, "-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3")
	r := newRadio(t, mp3, "audio/mpeg")
	s := open(t, r.URL, "")
	ear := &listener{t, s}
	ear.until("sound", func(h []int32) bool { return !silent(h) })
	r.mu.Lock()
	for range 100 {
		r.refuse = append(r.refuse, http.StatusBadGateway)
	}
	r.mu.Unlock()
	r.drop <- struct{}{}
	ear.silence("the station is gone")
	r.mu.Lock()
	r.refuse = nil
	r.mu.Unlock()
	ear.until("sound again", func(h []int32) bool { return !silent(h) })
}

func TestRadioOfOtherCodecsThroughFFmpeg(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		args []string
	}{
		"aac":    {"audio/aac", []string{"-c:a", "aac", "-b:a", "128k", "-f", "adts"}},
		"vorbis": {"application/ogg", []string{"-c:a", "libvorbis", "-f", "ogg"}},
		"opus":   {"audio/ogg", []string{"-c:a", "libopus", "-f", "ogg"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRadio(t, stationFile(t, c.args...), c.kind)
			r.say("A - B")
			s := open(t, r.URL, "")
			told := 0
			(&listener{t, s}).until("sound and a title", func(h []int32) bool {
				told += len(title(s))
				return !silent(h) && told > 0
			})
			noChild(t, s)
		})
	}
}

// noChild closes s, which must end its ffmpeg.
func noChild(t *testing.T, s source.Source) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Old SHOUTcast servers answer with a status line of their own.
func TestShoutcastStatusLine(t *testing.T) {
	mp3 := stationFile(t, "-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				_, _ = fmt.Fprintf(c, "ICY 200 OK\r\nicy-name:Old\r\ncontent-type:audio/mpeg\r\n\r\n")
				for {
					if _, err := c.Write(mp3); err != nil {
						return
					}
				}
			}()
		}
	}()
	s := open(t, "http://"+l.Addr().String()+"/", "")
	if i := s.Info(); i.Tags.Title != "Old" || !i.Live {
		t.Errorf("%+v", i)
	}
	(&listener{t, s}).until("sound", func(h []int32) bool { return !silent(h) })
}

func TestRedirectsAreBoundedAndStayOutside(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	mp3 := stationFile(t, "-c:a", "libmp3lame", "-f", "mp3")
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(mp3) })
	to := func(path, target string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
	}
	to("/loop", "/loop")
	to("/file", "file:///etc/passwd")
	to("/meta", "http://169.254.169.254/latest/meta-data/")
	for i := range 6 {
		to(fmt.Sprintf("/r%d", i), fmt.Sprintf("/r%d", i-1))
	}
	to("/r-1", "/end")
	to("/five", "/r3")
	for uri, want := range map[string]string{
		srv.URL + "/loop": "more than 5 redirects", srv.URL + "/file": "only http and https", srv.URL + "/r5": "more than 5 redirects",
		srv.URL + "/meta": "nothing is played from", "http://169.254.1.1/x": "nothing is played from", "http://[fe80::1]/x": "nothing is played from",
		"http://0.0.0.0:80/x": "nothing is played from", "tcp://169.254.1.1:80": "",
	} {
		if want == "" {
			continue
		}
		if _, err := source.Open(t.Context(), uri, source.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", uri, err, want)
		}
	}
	open(t, srv.URL+"/r3", "")
}

func TestAListAtAnAddressIsTheCallers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/lists/a", http.StatusFound)
		case "/lists/a":
			w.Header().Set("Content-Type", "audio/x-mpegurl; charset=utf-8")
			_, _ = w.Write([]byte("stream.mp3\n"))
		case "/b.pls":
			_, _ = w.Write([]byte("[playlist]\nFile1=x\n"))
		case "/page.m3u":
			_, _ = w.Write([]byte("<html>not found</html>"))
		case "/huge.m3u":
			_, _ = w.Write([]byte("#EXTM3U\n"))
			for range 5 << 10 {
				_, _ = w.Write([]byte(strings.Repeat("x", 1023) + "\n"))
			}
		}
	}))
	defer srv.Close()
	for path, base := range map[string]string{"/moved": "/lists/a", "/b.pls": "/b.pls"} {
		_, err := source.Open(t.Context(), srv.URL+path, source.Options{})
		var list *source.PlaylistError
		if !errors.As(err, &list) || list.Base.Path != base || len(list.Body) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/page.m3u", "/huge.m3u"} {
		_, err := source.Open(t.Context(), srv.URL+path, source.Options{})
		var list *source.PlaylistError
		if err == nil || errors.As(err, &list) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// hlsFiles makes an HLS stream in a folder.
func hlsFiles(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	encode(t, filepath.Join(dir, "index.m3u8"), append([]string{"-c:a", "aac", "-aac_pns", "0", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0"}, args...)...)
	return dir
}

func TestHLSPlaysToItsEnd(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	write(t, key, []byte("0123456789abcdef"))
	info := filepath.Join(t.TempDir(), "info")
	write(t, info, []byte("the.key\n"+key+"\n"))
	for name, args := range map[string][]string{
		"ts":        {},
		"fmp4":      {"-hls_segment_type", "fmp4"},
		"ranges":    {"-hls_flags", "single_file"},
		"encrypted": {"-hls_key_info_file", info},
	} {
		t.Run(name, func(t *testing.T) {
			dir := hlsFiles(t, args...)
			b, _ := os.ReadFile(key)
			write(t, filepath.Join(dir, "the.key"), b)
			write(t, filepath.Join(dir, "master.m3u8"), []byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=640x480,CODECS=\"avc1,mp4a\"\nvideo.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS=\"mp4a.40.2\"\nindex.m3u8\n"))
			srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer srv.Close()
			s, err := source.Open(t.Context(), srv.URL+"/master.m3u8", source.Options{House: behind()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if i := s.Info(); i.Live || i.Seekable || i.SampleRate != 44100 || i.Tags.DurationMS < 5500 || i.Tags.DurationMS > 6500 {
				t.Errorf("info %+v", i)
			}
			all := samples(t, s)
			if n := len(all) / 2; n < 260_000 || n > 270_000 {
				t.Errorf("%d frames of 264600", n)
			}
			assertChord(t, all)
		})
	}
}

// behind is a clock by which what was heard is always far ahead of its time: what comes late
// on a slow machine is waited for, and no silence takes its place.
func behind() func() int64 {
	var now atomic.Int64
	return func() int64 { return now.Add(-time.Minute.Microseconds()) }
}

// assertChord checks that every tenth of a second sounds: no piece is missing or silent.
func assertChord(t *testing.T, all []int32) {
	t.Helper()
	for at := 8820; at+8820 < len(all)-8820; at += 8820 {
		if silent(all[at : at+8820]) {
			t.Fatalf("silence at frame %d", at/2)
		}
	}
}

// A live list grows and forgets; a change of the stream (a discontinuity) is followed.
func TestHLSLive(t *testing.T) {
	one, two := hlsFiles(t), hlsFiles(t, "-ar", "48000")
	segments := []string{}
	for i := range 6 {
		segments = append(segments, fmt.Sprintf("#EXTINF:1,\n/one/index%d.ts\n", i))
	}
	for i := range 6 {
		s := fmt.Sprintf("#EXTINF:1,\n/two/index%d.ts\n", i)
		if i == 0 {
			s = "#EXT-X-DISCONTINUITY\n" + s
		}
		segments = append(segments, s)
	}
	var looks atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("/one/", http.StripPrefix("/one", http.FileServer(http.Dir(one))))
	mux.Handle("/two/", http.StripPrefix("/two", http.FileServer(http.Dir(two))))
	mux.HandleFunc("/live.m3u8", func(w http.ResponseWriter, _ *http.Request) {
		first := int(min(looks.Add(1), 9)) - 1
		end := ""
		if looks.Load() > 12 {
			end = "#EXT-X-ENDLIST\n"
		}
		_, _ = fmt.Fprintf(w, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:%d\n%s%s", first, strings.Join(segments[first:first+4], ""), end)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	s := open(t, srv.URL+"/live.m3u8", "")
	if i := s.Info(); !i.Live || i.SampleRate != 44100 {
		t.Errorf("info %+v", i)
	}
	sounding := 0
	buf := make([]int32, 4410)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		n, err := s.Read(buf)
		if !silent(buf[:2*n]) {
			sounding += n
		}
		if err != nil {
			if !strings.Contains(err.Error(), "EOF") {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the stream does not end")
		}
	}
	// From the third segment before the end of the first list: eleven seconds.
	if sec := float64(sounding) / 44100; sec < 10 || sec > 12 {
		t.Errorf("%.1f s of sound, want 11", sec)
	}
}

func TestHLSRefuses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := map[string]string{
			"/drm.m3u8":    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"\n#EXTINF:1,\na.ts\n",
			"/file.m3u8":   "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
			"/circle.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ncircle.m3u8\n",
			"/empty.m3u8":  "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST\n",
			"/text.m3u8":   "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ntext.vtt\n#EXT-X-ENDLIST\n",
			"/text.vtt":    "WEBVTT\n\n00:00.000 --> 00:01.000\nHello there, this is no sound at all.\n",
		}[r.URL.Path]
		if body == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	defer srv.Close()
	for path, want := range map[string]string{
		"/drm.m3u8": "copy protection", "/file.m3u8": "file:", "/circle.m3u8": "in a circle", "/empty.m3u8": "no segments", "/text.m3u8": "known audio format",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := source.Open(ctx, srv.URL+path, source.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		cancel()
	}
}
