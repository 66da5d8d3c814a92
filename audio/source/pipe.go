package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// What other programs hand over: PCM that arrives in real time, or as fast as it is taken.
const (
	pipeBlock  = 20 * time.Millisecond
	pipeBuffer = 200 * time.Millisecond
	// pipePace is how far the reading runs ahead: a pause or a skip in the other program
	// is heard after this and the players' lead.
	pipePace   = time.Second
	pipeMargin = 700 * time.Millisecond
	// lookAgain is how often a pipe without a writer is looked at.
	lookAgain = 100 * time.Millisecond
)

// rawFormat is what `?format=s16le:44100:2` says.
type rawFormat struct {
	encoding string // "s16le", "s24le", "s32le", "f32le"
	rate     int
	channels int
}

var rawSizes = map[string]int{"s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}

// parseRaw reads the query of an address; without a format it is that of CDs, which
// librespot and shairport-sync write.
func parseRaw(query string) (f rawFormat, err error) {
	v, err := url.ParseQuery(query)
	if err != nil {
		return f, fmt.Errorf("malformed query: %w", err)
	}
	for key := range v {
		if key != "format" {
			return f, fmt.Errorf("unknown setting %q: there is only format", key)
		}
	}
	f = rawFormat{"s16le", 44100, 2}
	s := v.Get("format")
	if s == "" {
		return f, nil
	}
	parts := strings.Split(s, ":")
	if len(parts) == 3 {
		f.encoding = parts[0]
		var e1, e2 error
		f.rate, e1 = strconv.Atoi(parts[1])
		f.channels, e2 = strconv.Atoi(parts[2])
		if rawSizes[f.encoding] > 0 && e1 == nil && e2 == nil && f.info().SampleRate == f.rate && checkInfo(f.info()) == nil {
			return f, nil
		}
	}
	return f, fmt.Errorf("format %q: write encoding:rate:channels, for example s16le:44100:2 (encodings: s16le, s24le, s32le, f32le)", s)
}

func (f rawFormat) info() Info {
	depth := map[string]int{"s16le": 16, "s24le": 24, "s32le": 32, "f32le": 24}[f.encoding]
	return Info{SampleRate: f.rate, Channels: f.channels, BitDepth: depth, Live: true, Codec: "pcm"}
}

// rawConn reads PCM of an io.Reader, whole frames at a time.
type rawConn struct {
	r    io.ReadCloser
	f    rawFormat
	buf  []byte
	kept int // bytes of a frame that is not complete, at the beginning of buf
}

func (c *rawConn) Read(dst []int32) (int, error) {
	size := rawSizes[c.f.encoding]
	frame := size * c.f.channels
	want := len(dst) / c.f.channels * frame
	if len(c.buf) < want {
		c.buf = append(c.buf, make([]byte, want-len(c.buf))...)
	}
	n, err := c.r.Read(c.buf[c.kept:want])
	n += c.kept
	whole := n / frame * frame
	c.unpack(dst, c.buf[:whole], size)
	c.kept = copy(c.buf, c.buf[whole:n])
	return whole / frame, err
}

func (c *rawConn) unpack(dst []int32, b []byte, size int) {
	if c.f.encoding != "f32le" {
		_, _ = pcm.Unpack(dst[:0], b, size*8) // whole samples of a valid depth: it cannot fail
		return
	}
	for i := range len(b) / 4 {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		if v != v { // not a number
			v = 0
		}
		dst[i] = int32(math.Round(max(min(v, 1), -1) * (1<<23 - 1)))
	}
}

func (c *rawConn) Title() (string, string, bool) { return "", "", false }
func (c *rawConn) Close() error                  { return c.r.Close() }

func (o Options) live(name string, info Info, connect func(ctx context.Context) (conn, error)) liveConfig {
	return liveConfig{name: name, info: info, connect: connect, block: pipeBlock, buffer: pipeBuffer, pace: pipePace, margin: pipeMargin,
		house: o.House, log: o.Log}
}

// openPipe opens pipe:/path?format=…: a FIFO that another program writes.
func openPipe(ctx context.Context, rest string, o Options) (Source, error) {
	p, query, _ := strings.Cut(rest, "?")
	p, err := url.PathUnescape(p)
	if err != nil {
		return nil, fmt.Errorf("pipe:%s: bad escape: %w", rest, err)
	}
	f, err := parseRaw(query)
	if err == nil {
		err = checkPipe(p)
	}
	if err != nil {
		return nil, fmt.Errorf("pipe:%s: %w", p, err)
	}
	info := f.info()
	info.Tags.Title = filepath.Base(p)
	return newLive(ctx, o.live("pipe:"+p, info, func(ctx context.Context) (conn, error) {
		r, err := newFIFO(ctx, p)
		if err != nil {
			return nil, err
		}
		return &rawConn{r: r, f: f}, nil
	}), nil), nil
}

// notPipes are folders whose files are the system's and not another program's.
var notPipes = []string{"/proc", "/sys", "/dev"}

// checkPipe refuses what is no FIFO, wherever links lead.
func checkPipe(p string) error {
	if !filepath.IsAbs(p) {
		return errors.New("give the absolute path of a named pipe, for example pipe:/run/tutti/librespot.pcm")
	}
	real, err := filepath.EvalSymlinks(p)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: make the named pipe with mkfifo", os.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("look at it: %w", err)
	}
	if slices.ContainsFunc(notPipes, func(dir string) bool { return real == dir || strings.HasPrefix(real, dir+"/") }) {
		return errors.New("a path of the system, not a named pipe")
	}
	st, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("look at it: %w", err)
	}
	if st.Mode()&os.ModeNamedPipe == 0 {
		return errors.New("not a named pipe: make one with mkfifo")
	}
	return nil
}

// fifo reads a named pipe as one writer after the other fills it.
type fifo struct {
	ctx  context.Context
	f    *os.File
	stop func() bool
	got  bool
}

func newFIFO(ctx context.Context, p string) (*fifo, error) {
	if err := checkPipe(p); err != nil {
		return nil, err
	}
	// Without O_NONBLOCK opening waits for a writer, and nothing could end that.
	f, err := os.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pipe: %w", err)
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		_ = f.Close()
		return nil, errors.New("not a named pipe any more")
	}
	r := &fifo{ctx: ctx, f: f}
	r.stop = context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	return r, nil
}

// Read waits for a writer. When one has written and gone, it ends, so that the pipe is
// opened anew: it may be another one by now.
func (r *fifo) Read(b []byte) (int, error) {
	for waited := time.Duration(0); ; waited += lookAgain {
		n, err := r.f.Read(b)
		r.got = r.got || n > 0
		switch {
		case n > 0:
			return n, nil
		case err != nil && !errors.Is(err, io.EOF):
			return 0, err
		case r.got || waited > 10*lookAgain:
			return 0, errNext
		case !sleep(r.ctx, lookAgain):
			return 0, context.Cause(r.ctx)
		}
	}
}

func (r *fifo) Close() error {
	r.stop()
	return r.f.Close()
}

// openTCP opens tcp://host:port?format=…: a program that sends PCM to who connects.
func openTCP(ctx context.Context, uri string, o Options) (Source, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Port() == "" || u.Hostname() == "" || u.User != nil || u.Path != "" {
		return nil, fmt.Errorf("%s: not a usable address: want tcp://host:port?format=s16le:44100:2", redact(uri))
	}
	f, err := parseRaw(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", uri, err)
	}
	info := f.info()
	info.Tags.Title = u.Host
	dial := net.Dialer{Timeout: o.timeout(), Control: (&guard{}).control}
	return newLive(ctx, o.live("tcp://"+u.Host, info, func(ctx context.Context) (conn, error) {
		c, err := dial.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		return &rawConn{r: newWire(ctx, c), f: f}, nil
	}), nil), nil
}

// wire is a connection that ends with its context.
type wire struct {
	net.Conn
	stop func() bool
}

func newWire(ctx context.Context, c net.Conn) *wire {
	return &wire{c, context.AfterFunc(ctx, func() { _ = c.Close() })}
}

func (w *wire) Close() error {
	w.stop()
	return w.Conn.Close()
}

// openTCPListen opens tcp-listen:address:port?format=…: a program connects and sends PCM.
// One at a time: who comes while another sends is refused.
func openTCPListen(ctx context.Context, rest string, o Options) (Source, error) {
	addr, query, _ := strings.Cut(rest, "?")
	f, err := parseRaw(query)
	if err == nil {
		if _, port, e := net.SplitHostPort(addr); e != nil || port == "" || port == "0" {
			err = errors.New("want address:port, for example tcp-listen:127.0.0.1:4953")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tcp-listen:%s: %w", addr, err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("tcp-listen:%s: %w: choose a free port of this machine", addr, err)
	}
	info := f.info()
	info.Tags.Title = addr
	s := &listening{l: l}
	s.liveSource = newLive(ctx, o.live("tcp-listen:"+addr, info, func(ctx context.Context) (conn, error) {
		c, err := s.accept(ctx)
		if err != nil {
			return nil, err
		}
		return &rawConn{r: c, f: f}, nil
	}), nil)
	return s, nil
}

type listening struct {
	*liveSource
	l net.Listener
}

func (s *listening) accept(ctx context.Context) (io.ReadCloser, error) {
	stop := context.AfterFunc(ctx, func() { _ = s.l.Close() })
	defer stop()
	c, err := s.l.Accept()
	if err != nil {
		return nil, err
	}
	return newWire(ctx, c), nil
}

func (s *listening) Close() error {
	_ = s.l.Close() // wakes an accept
	return s.liveSource.Close()
}
