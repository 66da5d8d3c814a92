package source

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of an HLS stream (RFC 8216).
const (
	maxHLSList    = 2 << 20
	maxHLSSegment = 64 << 20
	maxHLSKey     = 64
	hlsFromEnd    = 3 // segments before the end of a live list where playing begins (section 6.3.3)
	hlsLost       = 5 // failed segments in a row that end a connection
)

// hls is an HLS stream. Its pieces are fetched here, by the rules for every address, and
// ffmpeg gets their bytes: it never reaches the network itself.
type hls struct {
	w    *web
	o    Options
	base *url.URL // of the media playlist
	list hlsList
	next int64 // number of the segment that comes next
	lost int
	why  error // of the segment that was lost last
	key  struct {
		uri string
		b   []byte
	}
}

// openHLS opens the stream whose playlist is b, of address at. It owns w.
func openHLS(ctx context.Context, uri string, at *url.URL, b []byte, w *web, o Options) (Source, error) {
	fail := func(err error) (Source, error) {
		w.close()
		return nil, fmt.Errorf("%s: %w", redact(uri), err)
	}
	h := &hls{w: w, o: o, base: at}
	if err := h.choose(ctx, b); err != nil {
		return fail(err)
	}
	h.next = h.list.first
	if n := int64(len(h.list.segments)); !h.list.ended && n > hlsFromEnd {
		h.next += n - hlsFromEnd
	}
	live, length := !h.list.ended, h.list.length() // from here on h belongs to who reads
	c, err := h.connect(ctx, nil)
	if err != nil {
		return fail(err)
	}
	info := c.info
	info.Seekable, info.Live, info.Frames = false, live, 0
	info.Tags = Tags{Title: httpName(uri)}
	if !live {
		info.Tags.DurationMS = length.Milliseconds()
	}
	cfg := o.radio(redact(uri), info)
	cfg.finite = true
	cfg.connect = func(ctx context.Context) (conn, error) {
		if h.over() {
			return nil, io.EOF
		}
		c, err := h.connect(ctx, &info)
		return hlsConn{c, h}, err
	}
	return &webSource{newLive(ctx, cfg, hlsConn{c, h}), w.close}, nil
}

// choose takes b for the media playlist, or follows a master playlist to one.
func (h *hls) choose(ctx context.Context, b []byte) error {
	for range 2 {
		l, err := parseHLS(string(b))
		if err != nil {
			return err
		}
		if l.variant == "" {
			h.list = l
			return nil
		}
		if err := h.move(l.variant); err != nil {
			return err
		}
		if b, err = h.fetchList(ctx); err != nil {
			return err
		}
	}
	return errors.New("its playlists lead in a circle")
}

func (h *hls) move(ref string) error {
	u, err := resolve(h.base, ref)
	if err != nil {
		return err
	}
	h.base, err = url.Parse(u)
	return err
}

func (h *hls) fetchList(ctx context.Context) ([]byte, error) {
	a, err := h.w.get(ctx, h.base.String(), nil)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()   //nolint:errcheck // read only
	h.base = a.Request.URL // after redirects
	return readBounded(a.Body, maxHLSList)
}

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return b, err
}

// hlsConn is a station whose end may be the end of a run only.
type hlsConn struct {
	*station
	h *hls
}

func (c hlsConn) Read(dst []int32) (int, error) {
	n, err := c.station.Read(dst)
	if errors.Is(err, io.EOF) && !c.h.over() {
		err = errNext
	}
	return n, err
}

// over says that the last segment has been read.
func (h *hls) over() bool { return h.list.ended && h.next >= h.list.first+int64(len(h.list.segments)) }

// connect decodes from the next segment on, as far as segments belong together.
func (h *hls) connect(ctx context.Context, want *Info) (*station, error) {
	ctx, cancel := context.WithCancel(ctx)
	run := &hlsRun{h: h, ctx: ctx, cancel: cancel}
	demuxer, err := run.sniff()
	if err != nil {
		cancel()
		return nil, err
	}
	return newStation(ctx, http.Header{}, run, demuxer, want, h.o)
}

// hlsRun is the bytes of consecutive segments that one decoder can take.
type hlsRun struct {
	h      *hls
	ctx    context.Context
	cancel context.CancelFunc
	seg    io.Reader // of the segment that is being read
	body   io.Closer // what it comes from
	begun  bool
	init   hlsPart // of the segments of this run
}

// sniff reads the beginning of the first segment to tell what it is.
func (r *hlsRun) sniff() (string, error) {
	head := make([]byte, 1024)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		if errors.Is(err, io.EOF) {
			if err = r.h.why; err == nil {
				err = errors.New("it has no segments")
			}
		}
		return "", err
	}
	head = head[:n]
	r.seg = io.MultiReader(bytes.NewReader(head), r.seg)
	return segmentKind(head)
}

// segmentKind is ffmpeg's name of what a segment is. Packed audio begins with an ID3 tag
// (RFC 8216 section 3.4).
func segmentKind(b []byte) (string, error) {
	if len(b) > 188 && b[0] == 0x47 && b[188] == 0x47 {
		return "mpegts", nil
	}
	if len(b) > 8 {
		switch string(b[4:8]) {
		case "ftyp", "styp", "moov", "moof", "sidx":
			return "mov", nil
		}
	}
	if len(b) > 10 && string(b[:3]) == "ID3" {
		if n := id3Size(b[:10]); n < int64(len(b)-2) {
			b = b[n:]
		}
	}
	if len(b) > 1 && b[0] == 0xFF {
		switch {
		case b[1]&0xF6 == 0xF0:
			return "aac", nil
		case b[1]&0xE0 == 0xE0:
			return "mp3", nil
		}
	}
	return "", fmt.Errorf("%w: its segments begin with %q", ErrUnsupported, printable(b[:min(len(b), 16)]))
}

func (r *hlsRun) Read(p []byte) (int, error) {
	for {
		if r.seg == nil {
			if err := r.advance(); err != nil {
				return 0, err
			}
		}
		n, err := r.seg.Read(p)
		if n > 0 || err == nil {
			return n, nil
		}
		r.drop()
		if !errors.Is(err, io.EOF) { // what is missing of it is a gap
			r.h.o.note("HLS segment is cut off", err)
		}
	}
}

func (r *hlsRun) drop() {
	if r.body != nil {
		_ = r.body.Close()
	}
	r.seg, r.body = nil, nil
}

// advance opens the next segment. io.EOF ends the run: at the end of the stream, and where
// another decoder must go on.
func (r *hlsRun) advance() error {
	seg, err := r.h.await(r.ctx)
	if err != nil {
		return err
	}
	if r.begun && (seg.discontinuity || seg.init != r.init) {
		return io.EOF
	}
	r.h.next++
	if err := r.openSegment(seg); err != nil {
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		if r.h.lost++; r.h.lost >= hlsLost {
			return err
		}
		r.h.why = err
		r.h.o.note("HLS segment is missing", err)
		return r.skip()
	}
	r.h.lost = 0
	r.begun, r.init = true, seg.init
	return nil
}

// skip leaves a segment out: an empty one stands for it.
func (r *hlsRun) skip() error {
	r.seg = strings.NewReader("")
	return nil
}

func (r *hlsRun) openSegment(seg hlsSegment) error {
	var parts []io.Reader
	if !r.begun && seg.init.uri != "" {
		b, err := r.h.part(r.ctx, seg.init)
		if err != nil {
			return err
		}
		parts = append(parts, bytes.NewReader(b))
	}
	if seg.key.uri != "" {
		b, err := r.h.part(r.ctx, seg.hlsPart)
		if err == nil {
			b, err = r.h.decrypt(r.ctx, seg, b)
		}
		if err != nil {
			return err
		}
		r.seg = io.MultiReader(append(parts, bytes.NewReader(b))...)
		return nil
	}
	a, err := r.h.request(r.ctx, seg.hlsPart)
	if err != nil {
		return err
	}
	r.seg, r.body = io.MultiReader(append(parts, io.LimitReader(a.Body, maxHLSSegment))...), a.Body
	return nil
}

func (r *hlsRun) Close() error {
	r.cancel()
	return nil
}

// await is the next segment; it looks at a live playlist again until there is one.
func (h *hls) await(ctx context.Context) (hlsSegment, error) {
	for {
		if h.next < h.list.first { // too slow: what is gone is gone
			h.next = h.list.first
		}
		if i := h.next - h.list.first; i < int64(len(h.list.segments)) {
			return h.list.segments[i], nil
		}
		if h.list.ended {
			return hlsSegment{}, io.EOF
		}
		if !sleep(ctx, max(min(h.list.target, 10*time.Second)/2, 200*time.Millisecond)) {
			return hlsSegment{}, context.Cause(ctx)
		}
		if err := h.reload(ctx); err != nil {
			return hlsSegment{}, err
		}
	}
}

func (h *hls) reload(ctx context.Context) error {
	b, err := h.fetchList(ctx)
	if err != nil {
		return err
	}
	l, err := parseHLS(string(b))
	if err != nil {
		return err
	}
	if l.variant != "" {
		return errors.New("its media playlist became a master playlist")
	}
	if l.first+int64(len(l.segments)) < h.next-int64(len(h.list.segments))-1 { // numbered anew: the station has restarted
		h.next = l.first
	}
	h.list = l
	return nil
}

func (h *hls) request(ctx context.Context, p hlsPart) (*answer, error) {
	u, err := resolve(h.base, p.uri)
	if err != nil {
		return nil, err
	}
	var header map[string]string
	if p.length > 0 {
		header = map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", p.offset, p.offset+p.length-1)}
	}
	a, err := h.w.get(ctx, u, header)
	if err == nil && p.length > 0 && a.StatusCode != http.StatusPartialContent {
		_ = a.Body.Close()
		return nil, errors.New("the server knows no ranges, which its playlist asks for")
	}
	return a, err
}

// part fetches a whole part into memory.
func (h *hls) part(ctx context.Context, p hlsPart) ([]byte, error) {
	a, err := h.request(ctx, p)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close() //nolint:errcheck // read only
	return readBounded(a.Body, maxHLSSegment/4)
}

// decrypt undoes AES-128 in CBC with PKCS7 padding (section 4.3.2.4).
func (h *hls) decrypt(ctx context.Context, seg hlsSegment, b []byte) ([]byte, error) {
	if h.key.uri != seg.key.uri {
		a, err := h.request(ctx, hlsPart{uri: seg.key.uri})
		if err != nil {
			return nil, err
		}
		defer a.Body.Close() //nolint:errcheck // read only
		if h.key.b, err = readBounded(a.Body, maxHLSKey); err != nil {
			return nil, err
		}
		h.key.uri = seg.key.uri
	}
	block, err := aes.NewCipher(h.key.b)
	if err != nil || len(b) == 0 || len(b)%aes.BlockSize != 0 {
		return nil, errors.New("a segment cannot be decrypted")
	}
	iv := seg.key.iv
	if iv == ([16]byte{}) { // the segment's number
		for i := range 8 {
			iv[15-i] = byte(seg.number >> (8 * i))
		}
	}
	cipher.NewCBCDecrypter(block, iv[:]).CryptBlocks(b, b)
	pad := int(b[len(b)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errors.New("a segment cannot be decrypted")
	}
	return b[:len(b)-pad], nil
}

func parseIV(s string) (iv [16]byte) {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	if b, err := hex.DecodeString(s); err == nil && len(b) == 16 {
		copy(iv[:], b)
	}
	return iv
}

// note logs what a listener need not care about.
func (o Options) note(what string, err error) {
	if o.Log != nil {
		o.Log.Debug(what, "err", err)
	}
}
