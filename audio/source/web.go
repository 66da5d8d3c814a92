package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// web makes the requests of one stream.
type web struct {
	client  *http.Client
	own     bool // the client was made for this stream
	timeout time.Duration
	agent   string
}

func newWeb(o Options) *web {
	return &web{client: httpClient(o), own: o.HTTPClient == nil, timeout: o.timeout(), agent: o.agent()}
}

func (o Options) agent() string {
	if o.UserAgent != "" {
		return o.UserAgent
	}
	return "Tutti"
}

// answer is a response that has begun, whose body gives up when nothing comes.
type answer struct {
	*http.Response
	Body *timedBody
}

// get asks for uri. A status that is no success is an error; one that says when to try
// again is a retryAfter.
func (w *web) get(outer context.Context, uri string, header map[string]string) (*answer, error) {
	ctx, cancel := context.WithCancel(outer)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", redact(uri), unwrapURL(err))
	}
	req.Header.Set("User-Agent", w.agent)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	watch := time.AfterFunc(w.timeout, cancel)
	resp, err := w.client.Do(req)
	inTime := watch.Stop()
	if err != nil {
		if parent := context.Cause(outer); parent != nil {
			err = parent
		} else if !inTime {
			err = fmt.Errorf("no answer within %v", w.timeout)
		}
		cancel()
		return nil, fmt.Errorf("%s: %w", redact(uri), unwrapURL(err))
	}
	body := &timedBody{r: bufio.NewReaderSize(resp.Body, 16<<10), c: resp.Body, cancel: cancel, timeout: w.timeout, late: !inTime}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		_ = body.Close()
		return nil, refused(uri, resp)
	}
	return &answer{resp, body}, nil
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 5 * time.Minute

func refused(uri string, resp *http.Response) error {
	err := fmt.Errorf("%s: the server answers %q: check the address", redact(uri), resp.Status)
	v := resp.Header.Get("Retry-After")
	if v == "" {
		return err
	}
	wait := time.Duration(0)
	if n, e := strconv.Atoi(v); e == nil {
		wait = time.Duration(n) * time.Second
	} else if at, e := http.ParseTime(v); e == nil {
		wait = time.Until(at)
	}
	return retryAfter{err, min(max(wait, 0), maxRetryAfter)}
}

func unwrapURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err // without the address, which may hold a password
	}
	return err
}

func (w *web) close() {
	if w.own {
		w.client.CloseIdleConnections()
	}
}

// timedBody is a body that fails when nothing comes for the timeout.
type timedBody struct {
	r       *bufio.Reader
	c       io.Closer
	cancel  context.CancelFunc
	timeout time.Duration
	late    bool // the time ran out once, which ended the request; what had come is read to its end
}

func (b *timedBody) Read(p []byte) (int, error) {
	watch := time.AfterFunc(b.timeout, b.cancel)
	n, err := b.r.Read(p)
	b.late = !watch.Stop() || b.late
	if b.late && err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("nothing came for %v", b.timeout)
	}
	return n, err
}

// peek looks at the beginning.
func (b *timedBody) peek(n int) []byte {
	watch := time.AfterFunc(b.timeout, b.cancel)
	head, _ := b.r.Peek(n) // the error comes again when it is read
	b.late = !watch.Stop() || b.late
	return head
}

// plain is the body for who watches the time himself.
func (b *timedBody) plain() io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{b.r, b.c}
}

// Close ends the request. It may be called while another goroutine reads.
func (b *timedBody) Close() error {
	b.cancel()
	return b.c.Close()
}

// resolve makes an address of what stands in a document at base. Only http and https
// come of it.
func resolve(base *url.URL, ref string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(ref))
	if err != nil {
		return "", unwrapURL(err)
	}
	u = base.ResolveReference(u)
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("an address of the form %q in a stream", u.Scheme+":")
	}
	return u.String(), nil
}
