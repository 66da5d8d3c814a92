package independent

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// WebSocket opcodes (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// ws is one WebSocket connection, framed by hand so that opcodes, control
// frames and fragmentation are seen and made exactly.
type ws struct {
	c      net.Conn
	br     *bufio.Reader
	client bool // we dialled, so our frames are masked

	wmu   sync.Mutex
	mute  atomic.Bool  // do not answer pings
	pings atomic.Int32 // pings of the peer
	pongs chan string  // payloads of the peer's pongs
}

// closedError is the end of a connection as the peer made it.
type closedError struct {
	Code   int // 0: no close frame, or one without a code
	Reason string
	Err    error
}

func (e *closedError) Error() string {
	return fmt.Sprintf("closed by peer: code %d %q: %v", e.Code, e.Reason, e.Err)
}

func (e *closedError) Unwrap() error { return e.Err }

func dialWS(t testing.TB, addr string) *ws {
	t.Helper()
	w, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.c.Close() })
	return w
}

func dial(addr string) (*ws, error) {
	u, err := url.Parse(addr)
	if err != nil {
		return nil, err
	}
	c, err := net.DialTimeout("tcp", u.Host, patience)
	if err != nil {
		return nil, err
	}
	w := &ws{c: c, br: bufio.NewReader(c), client: true, pongs: make(chan string, 16)}
	if err := w.upgrade(u); err != nil {
		_ = c.Close()
		return nil, err
	}
	return w, nil
}

func (w *ws) upgrade(u *url.URL) error {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	_, err := fmt.Fprintf(w.c, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", u.Path, u.Host, key)
	if err != nil {
		return err
	}
	_ = w.c.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != acceptKey(key) {
		return fmt.Errorf("upgrade answered %s %v", resp.Status, resp.Header)
	}
	if e := resp.Header.Get("Sec-WebSocket-Extensions"); e != "" {
		return fmt.Errorf("extension %q was not offered", e)
	}
	return w.c.SetReadDeadline(time.Time{})
}

// acceptWS upgrades a request of a server that dials us.
func acceptWS(w http.ResponseWriter, r *http.Request) (*ws, error) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	return &ws{c: c, br: rw.Reader, pongs: make(chan string, 16)}, err
}

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame writes one frame.
func (w *ws) frame(op byte, fin bool, payload []byte) error {
	if fin {
		op |= 0x80
	}
	mask := byte(0)
	if w.client {
		mask = 0x80
	}
	b := []byte{op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !w.client {
		b = append(b, payload...)
	} else {
		var key [4]byte
		_, _ = rand.Read(key[:])
		b = append(b, key[:]...)
		for i, x := range payload {
			b = append(b, x^key[i&3])
		}
	}
	w.wmu.Lock()
	defer w.wmu.Unlock()
	_ = w.c.SetWriteDeadline(time.Now().Add(patience))
	_, err := w.c.Write(b)
	return err
}

func (w *ws) text(b []byte) error   { return w.frame(opText, true, b) }
func (w *ws) binary(b []byte) error { return w.frame(opBinary, true, b) }

// arrival is what read returned, and when, by our clock.
type arrival struct {
	at   int64
	op   byte
	data []byte
	err  error
}

// arrivals reads all the while. What has come waits for next, which may take its time: the
// referee decodes what it is sent, and on a slow machine that must not look to the server
// like a device that does not read. ended is closed after an error, which comes last.
func (w *ws) arrivals() (next func() arrival, ended <-chan struct{}) {
	var mu sync.Mutex
	var waiting []arrival
	news, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for {
			a := arrival{}
			a.op, a.data, a.err = w.read()
			a.at = now()
			mu.Lock()
			waiting = append(waiting, a)
			mu.Unlock()
			select {
			case news <- struct{}{}:
			default:
			}
			if a.err != nil {
				return
			}
		}
	}()
	take := func() (a arrival, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(waiting) == 0 {
			return a, false
		}
		a, waiting = waiting[0], waiting[1:]
		return a, true
	}
	return func() arrival {
		for {
			if a, ok := take(); ok {
				return a
			}
			<-news
		}
	}, done
}

// read returns the next complete data message; control frames are dealt with.
func (w *ws) read() (op byte, data []byte, err error) {
	for {
		h, payload, err := w.readFrame()
		if err != nil {
			return 0, nil, &closedError{Err: err}
		}
		switch h & 0x0F {
		case opPing:
			w.pings.Add(1)
			if !w.mute.Load() {
				_ = w.frame(opPong, true, payload)
			}
			continue
		case opPong:
			select {
			case w.pongs <- string(payload):
			default:
			}
			continue
		case opClose:
			e := &closedError{Err: io.EOF}
			if len(payload) >= 2 {
				e.Code, e.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			_ = w.frame(opClose, true, payload)
			return 0, nil, e
		case opText, opBinary:
			op, data = h&0x0F, payload
		case opContinuation:
			data = append(data, payload...)
		default:
			return 0, nil, fmt.Errorf("opcode %#x", h)
		}
		if h&0x70 != 0 {
			return 0, nil, fmt.Errorf("reserved bits in %#x", h)
		}
		if h&0x80 != 0 {
			return op, data, nil
		}
	}
}

func (w *ws) readFrame() (head byte, payload []byte, err error) {
	var h [2]byte
	if _, err := io.ReadFull(w.br, h[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(h[1] & 0x7F)
	masked := h[1]&0x80 != 0
	if masked == w.client {
		return 0, nil, errors.New("masking of the peer's frame is wrong")
	}
	var ext [8]byte
	switch n {
	case 126:
		if _, err := io.ReadFull(w.br, ext[:2]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(ext[:2]))
	case 127:
		if _, err := io.ReadFull(w.br, ext[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	if n > 1<<24 {
		return 0, nil, fmt.Errorf("frame of %d bytes", n)
	}
	var key [4]byte
	if masked {
		if _, err := io.ReadFull(w.br, key[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(w.br, payload); err != nil {
		return 0, nil, err
	}
	if masked {
		for i := range payload {
			payload[i] ^= key[i&3]
		}
	}
	return h[0], payload, nil
}

// readWithin is read with a deadline; for the phases before the reader runs.
func (w *ws) readWithin(d time.Duration) (byte, []byte, error) {
	_ = w.c.SetReadDeadline(time.Now().Add(d))
	defer func() { _ = w.c.SetReadDeadline(time.Time{}) }()
	return w.read()
}

// mustClose reads until the peer ends the connection and fails when it says
// anything first.
func (w *ws) mustClose(t testing.TB) {
	t.Helper()
	op, data, err := w.readWithin(closing)
	if err == nil {
		t.Fatalf("the server sent opcode %d %.200q, want a silent close", op, data)
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Fatalf("the server keeps the connection open")
	}
}
