//lint:file-ignore SA1019 nhooyr.io/websocket is chosen at this version: its successor has the same API, and it is used in this file alone.

package channel

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"nhooyr.io/websocket"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// Options of a WebSocket.
type Options struct {
	// ReadLimit is the largest WebSocket message accepted, in bytes; 0 is 65,535,
	// the largest that the protocol has. A larger one closes the connection.
	ReadLimit int
	// WriteTimeout bounds each write, in 7/8 of it to all of it; a write that takes
	// longer closes the connection. 0 is 10 s.
	WriteTimeout time.Duration
}

const (
	defaultWriteTimeout = 10 * time.Second
	// closeGrace is how long Close lets the peer read what was sent before: closing
	// a socket with unread input discards it.
	closeGrace = time.Second
	// readBuffer holds the header and, mostly, the whole of a client's message.
	readBuffer = 1 << 10
	// writeBuffer holds one control frame (2+4+125 bytes): the library writes
	// nothing else, see socket.
	writeBuffer = 256
)

// webSocket is a Transport on nhooyr.io/websocket. Data frames bypass the library,
// see socket.
type webSocket struct {
	ws     *websocket.Conn
	sock   *socket
	client bool // the side that dialled masks its frames

	// The reader's.
	held *buffer // with the message of the last Read
	used int
}

// Accept upgrades a request to a WebSocket and returns its Transport. On an error
// the response was written. Start the session on a goroutine of its own and let the
// handler return: that frees the HTTP server's buffers and goroutine (about 10 KiB),
// and the request's context ends with the handler.
//
// Any Origin is accepted: what a web page could do here, anybody can who reaches the
// port; a connection proves itself by its Noise handshake, never by ambient
// authority such as cookies.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (Transport, error) {
	h := &hijacker{ResponseWriter: w, timeout: o.writeTimeout()}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled, // ciphertext does not compress
	})
	if err != nil {
		return nil, fmt.Errorf("channel: accept WebSocket: %w", err)
	}
	return newWebSocket(ws, h.sock, false, o), nil
}

// hijacker hands the WebSocket library our socket and small buffers.
type hijacker struct {
	http.ResponseWriter
	timeout time.Duration
	sock    *socket
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	pre, _ := rw.Reader.Peek(rw.Reader.Buffered())
	h.sock = &socket{Conn: conn, timeout: h.timeout, pre: append([]byte(nil), pre...)}
	return h.sock, bufio.NewReadWriter(
		bufio.NewReaderSize(h.sock, readBuffer),
		bufio.NewWriterSize(h.sock, writeBuffer),
	), nil
}

// Dial opens a WebSocket to a ws:// address. ctx bounds the opening only. It follows
// no redirects and uses no proxy.
func Dial(ctx context.Context, url string, o Options) (Transport, error) {
	var sock *socket
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			sock = &socket{Conn: conn, timeout: o.writeTimeout()}
			return sock, nil
		},
		MaxResponseHeaderBytes: 16 << 10,
		ReadBufferSize:         readBuffer,
		WriteBufferSize:        readBuffer,
	}
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("channel: dial WebSocket: %w", err)
	}
	return newWebSocket(ws, sock, true, o), nil
}

func newWebSocket(ws *websocket.Conn, sock *socket, client bool, o Options) *webSocket {
	limit := o.ReadLimit
	if limit <= 0 || limit > noise.MaxMessage {
		limit = noise.MaxMessage
	}
	ws.SetReadLimit(int64(limit))
	sock.framed.Store(true)
	return &webSocket{ws: ws, sock: sock, client: client}
}

func (o Options) writeTimeout() time.Duration {
	if o.WriteTimeout <= 0 {
		return defaultWriteTimeout
	}
	return o.WriteTimeout
}

// Read implements Transport.
func (w *webSocket) Read(ctx context.Context) (text bool, data []byte, err error) {
	w.release()
	typ, r, err := w.ws.Reader(ctx)
	if err != nil {
		return false, nil, readError(ctx, err)
	}
	buf, n := getBuffer(0), 0
	for {
		m, err := r.Read(buf.b[n:])
		n += m
		if errors.Is(err, io.EOF) {
			w.held, w.used = buf, n
			return typ == websocket.MessageText, buf.b[:n], nil
		}
		if err != nil {
			buf.free()
			return false, nil, readError(ctx, err)
		}
		if n < len(buf.b) {
			continue
		}
		if buf.last() {
			buf.free()
			return false, nil, ErrTooLarge
		}
		buf = buf.larger(n)
	}
}

// release gives back the buffer of the last message. Messages may have carried
// secrets (pairing), so it is wiped.
func (w *webSocket) release() {
	if w.held != nil {
		clear(w.held.b[:w.used])
		w.held.free()
		w.held = nil
	}
}

// readError turns the library's errors into ours.
func readError(ctx context.Context, err error) error {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return &CloseError{Code: int(closed.Code), Reason: closed.Reason}
	case ctx.Err() != nil:
		return fmt.Errorf("channel: read WebSocket: %w", ctx.Err())
	default:
		return fmt.Errorf("channel: read WebSocket: %w", err)
	}
}

// Write implements Transport.
func (w *webSocket) Write(ctx context.Context, text bool, data []byte) error {
	if len(data) > noise.MaxMessage {
		return ErrTooLarge
	}
	buf := getBuffer(headroom + len(data))
	defer buf.free()
	n := copy(buf.b[headroom:], data)
	return w.writeFrame(ctx, text, buf.b[:headroom+n])
}

// writeFrame sends the message in buf[headroom:] as one frame, with one system call.
// The header goes into the headroom; the content is masked in place if need be.
func (w *webSocket) writeFrame(ctx context.Context, text bool, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	start, err := w.putHeader(buf, text)
	if err != nil {
		return err
	}
	if err := w.sock.writeData(ctx, buf[start:]); err != nil {
		return fmt.Errorf("channel: write WebSocket: %w", err)
	}
	return nil
}

// putHeader writes the frame header (RFC 6455, section 5.2) right before
// buf[headroom:] and returns where it starts.
//
//	byte 0     FIN | opcode (1 text, 2 binary)
//	byte 1     MASK | length 0-125, 126, 127
//	           length in 2 bytes for 126, in 8 bytes for 127, big-endian
//	           masking key, 4 bytes, if MASK
func (w *webSocket) putHeader(buf []byte, text bool) (start int, err error) {
	size := len(buf) - headroom
	start = headroom - 2
	maskBit := byte(0)
	if w.client {
		start -= 4
		maskBit = 0x80
		key := buf[headroom-4 : headroom]
		if _, err := rand.Read(key); err != nil {
			return 0, fmt.Errorf("channel: draw mask: %w", err)
		}
		mask(buf[headroom:], key)
	}
	switch {
	case size < 126:
		buf[start+1] = maskBit | byte(size)
	case size < 1<<16:
		start -= 2
		buf[start+1] = maskBit | 126
		binary.BigEndian.PutUint16(buf[start+2:], uint16(size))
	default:
		start -= 8
		buf[start+1] = maskBit | 127
		binary.BigEndian.PutUint64(buf[start+2:], uint64(size))
	}
	buf[start] = 0x80 | byte(websocket.MessageBinary)
	if text {
		buf[start] = 0x80 | byte(websocket.MessageText)
	}
	return start, nil
}

// mask XORs b with the four bytes of key, eight bytes at a time.
func mask(b, key []byte) {
	k := uint64(binary.LittleEndian.Uint32(key))
	k |= k << 32
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}

// Ping implements Transport.
func (w *webSocket) Ping(ctx context.Context) error {
	if err := w.ws.Ping(ctx); err != nil {
		return fmt.Errorf("channel: ping: %w", err)
	}
	return nil
}

// Close implements Transport.
func (w *webSocket) Close(code int, reason string) error {
	limit := time.AfterFunc(closeGrace, func() { _ = w.sock.Close() })
	defer limit.Stop()
	return ignoreClosed(w.ws.Close(websocket.StatusCode(code), reason))
}

// CloseNow implements Transport.
func (w *webSocket) CloseNow() error {
	_ = w.sock.Close()
	return ignoreClosed(w.ws.CloseNow())
}

// ignoreClosed drops the error of closing what was closed already, and of a peer
// that did not answer the close frame: either way the socket is closed.
func ignoreClosed(err error) error {
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("channel: close WebSocket: %w", err)
}
