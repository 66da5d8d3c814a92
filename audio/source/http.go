package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultHTTPTimeout = 15 * time.Second
	defaultMaxDownload = 2 << 30
	// maxSpool bounds the temporary file for media of servers without Range.
	maxSpool = 512 << 20
	// skipForward is the distance that is read through rather than asked for anew.
	skipForward = 256 << 10
	maxRetries  = 3
)

// httpClient answers within bounds; it has no overall timeout, because media are read
// for as long as they play.
func httpClient(o Options) *http.Client {
	if o.HTTPClient != nil {
		return o.HTTPClient
	}
	timeout := o.timeout()
	g := &guard{}
	return &http.Client{CheckRedirect: redirect, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return g.dial(ctx, net.Dialer{Timeout: timeout}, network, address)
		},
		TLSHandshakeTimeout:   timeout,
		ResponseHeaderTimeout: timeout,
		DisableCompression:    true, // ranges of compressed bytes would be of no use
		MaxIdleConns:          1,
		IdleConnTimeout:       timeout,
	}}
}

func (o Options) timeout() time.Duration {
	if o.HTTPTimeout > 0 {
		return o.HTTPTimeout
	}
	return defaultHTTPTimeout
}

func (o Options) maxDownload() int64 {
	if o.MaxDownload > 0 {
		return o.MaxDownload
	}
	return defaultMaxDownload
}

// remote is media at an address whose server answers ranges. A connection that breaks
// is taken up again where it broke, as long as the content is the same.
type remote struct {
	ctx       context.Context
	caller    context.Context    // whose end is that of ctx and of the first request, in no order
	interrupt context.CancelFunc // ends every request
	client    *http.Client
	ownClient bool
	uri       string
	timeout   time.Duration
	size      int64
	validator string // ETag or Last-Modified, for If-Range
	agent     string

	body    io.ReadCloser // nil: to be asked for
	cancel  context.CancelFunc
	late    bool  // the time for body ran out once, which ended its request
	bodyPos int64 // offset of the next byte of body
	pos     int64 // offset of the next Read
}

// openHTTP makes media of the answer to a request for the whole with a range, which tells
// whether the server knows them. It owns w and the answer.
func openHTTP(ctx context.Context, uri string, w *web, a *answer, o Options) (media, error) {
	caller := ctx
	ctx, interrupt := context.WithCancel(caller)
	r := &remote{ctx: ctx, caller: caller, interrupt: interrupt, client: w.client, ownClient: w.own, uri: uri, timeout: w.timeout, agent: w.agent, size: -1,
		body: a.Body.plain(), cancel: a.Body.cancel, late: a.Body.late}
	if err := r.accept(a.Response, 0); err != nil {
		_ = r.Close()
		return nil, err
	}
	if r.size > o.maxDownload() {
		_ = r.Close()
		return nil, fmt.Errorf("%s: %d bytes are more than the limit of %d", redact(uri), r.size, o.maxDownload())
	}
	if a.StatusCode == http.StatusPartialContent && r.size >= 0 {
		return r, nil
	}
	return newSpool(r, min(o.maxDownload(), maxSpool), o.TempDir)
}

// request asks for everything from offset on and makes the answer the body.
func (r *remote) request(offset int64) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.uri, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", redact(r.uri), err)
	}
	req.Header.Set("User-Agent", r.agent)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	if offset > 0 && r.validator != "" {
		req.Header.Set("If-Range", r.validator)
	}
	watch := time.AfterFunc(r.timeout, cancel)
	resp, err := r.client.Do(req)
	inTime := watch.Stop()
	if err == nil {
		err = r.accept(resp, offset)
		if err != nil {
			_ = resp.Body.Close()
		}
	} else {
		err = r.explain(err, inTime)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	r.body, r.cancel, r.bodyPos, r.late = resp.Body, cancel, offset, !inTime
	return resp, nil
}

// accept checks the answer to a request for everything from offset on.
func (r *remote) accept(resp *http.Response, offset int64) error {
	switch resp.StatusCode {
	case http.StatusOK:
		if offset > 0 {
			return fmt.Errorf("%s: the content changed while it played: play it again", redact(r.uri))
		}
		r.size = resp.ContentLength
	case http.StatusPartialContent:
		first, total, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err != nil || first != offset || r.validator != "" && total != r.size {
			return fmt.Errorf("%s: the server answered with another part than asked for (%q)", redact(r.uri), resp.Header.Get("Content-Range"))
		}
		r.size = total
	default:
		return fmt.Errorf("%s: the server answers %q: check the address", redact(r.uri), resp.Status)
	}
	if offset == 0 {
		if r.validator = resp.Header.Get("ETag"); strings.HasPrefix(r.validator, "W/") || r.validator == "" {
			r.validator = resp.Header.Get("Last-Modified")
		}
	}
	return nil
}

// parseContentRange reads "bytes 0-99/1000"; total is -1 for "*".
func parseContentRange(v string) (first, total int64, err error) {
	spec, ok := strings.CutPrefix(v, "bytes ")
	span, size, ok2 := strings.Cut(spec, "/")
	from, _, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, errors.New("malformed Content-Range")
	}
	if first, err = strconv.ParseInt(from, 10, 64); err != nil {
		return 0, 0, err
	}
	if size == "*" {
		return first, -1, nil
	}
	total, err = strconv.ParseInt(size, 10, 64)
	return first, total, err
}

// explain words a failed request or read.
func (r *remote) explain(err error, inTime bool) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the address, which may hold a password
	}
	if cause := r.ended(); cause != nil {
		return fmt.Errorf("%s: %w", redact(r.uri), cause)
	}
	if !inTime {
		return fmt.Errorf("%s: no answer within %v", redact(r.uri), r.timeout)
	}
	return fmt.Errorf("%s: %w", redact(r.uri), err)
}

// ended is why nothing is read any more; nil: it is.
func (r *remote) ended() error {
	if cause := context.Cause(r.caller); cause != nil {
		return cause
	}
	return context.Cause(r.ctx)
}

func (r *remote) Size() int64 { return r.size }
func (r *remote) Local() bool { return false }

// Read reads on, and asks again up to maxRetries times when the connection breaks.
func (r *remote) Read(p []byte) (int, error) {
	if r.size >= 0 && r.pos >= r.size {
		return 0, io.EOF
	}
	var last error
	for range maxRetries {
		if err := r.align(); err != nil {
			last = err
			if r.ended() != nil {
				break
			}
			continue
		}
		n, err := r.readBody(p)
		if n > 0 {
			r.pos += int64(n)
			return n, nil
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			if r.size < 0 {
				return 0, io.EOF
			}
			err = fmt.Errorf("%s: %w after %d of %d bytes", redact(r.uri), io.ErrUnexpectedEOF, r.pos, r.size)
		}
		last = err
		r.drop()
		if r.ended() != nil || r.size < 0 {
			break
		}
	}
	return 0, last
}

// align makes the body stand at pos: by skipping a little, or by a new request.
func (r *remote) align() error {
	if r.body != nil && r.pos >= r.bodyPos && r.pos-r.bodyPos <= skipForward {
		scratch := make([]byte, min(r.pos-r.bodyPos, 32<<10))
		for r.bodyPos < r.pos {
			if _, err := r.readBody(scratch[:min(int64(len(scratch)), r.pos-r.bodyPos)]); err != nil {
				r.drop()
				break
			}
		}
	}
	if r.body != nil && r.bodyPos == r.pos {
		return nil
	}
	r.drop()
	_, err := r.request(r.pos)
	return err
}

// readBody reads once, and gives up when nothing comes for the timeout.
func (r *remote) readBody(p []byte) (int, error) {
	watch := time.AfterFunc(r.timeout, r.cancel)
	n, err := r.body.Read(p)
	r.late = !watch.Stop() || r.late
	r.bodyPos += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.explain(err, !r.late)
	}
	return n, err
}

func (r *remote) Seek(offset int64, whence int) (int64, error) {
	pos, err := seekTo(offset, whence, r.pos, r.size)
	if err == nil {
		r.pos = pos
	}
	return pos, err
}

// seekTo is the arithmetic of io.Seeker over size bytes, -1 when that is unknown.
func seekTo(offset int64, whence int, pos, size int64) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += pos
	case io.SeekEnd:
		if size < 0 {
			return 0, errors.New("the length is not known")
		}
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	return offset, nil
}

func (r *remote) drop() {
	if r.body != nil {
		r.cancel()
		_ = r.body.Close()
		r.body = nil
	}
}

// Interrupt ends a read that is under way, and all that follow. Safe for concurrent use.
func (r *remote) Interrupt() { r.interrupt() }

func (r *remote) release() {
	r.interrupt()
	if r.ownClient {
		r.client.CloseIdleConnections()
	}
}

func (r *remote) Close() error {
	r.drop()
	r.release()
	return nil
}
