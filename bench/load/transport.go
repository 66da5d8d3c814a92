package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// transport is the least WebSocket client that the gateway accepts: unfragmented
// frames, masked with zeroes, no pongs. It is a channel.Transport for the opening;
// after it, the socket is read raw, so that the load generator costs as little as
// the floor's reader.
type transport struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
	wmu  sync.Mutex
}

func dial(ctx context.Context, addr string) (*transport, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("load: connect: %w", err)
	}
	t := &transport{conn: conn, r: bufio.NewReaderSize(conn, 1<<10)}
	_, err = fmt.Fprintf(conn, "GET /sendspin HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", addr)
	for line := ""; err == nil && line != "\r\n"; {
		line, err = t.r.ReadString('\n')
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("load: upgrade: %w", err)
	}
	return t, nil
}

// Read implements channel.Transport. It skips control frames.
func (t *transport) Read(context.Context) (text bool, data []byte, err error) {
	for {
		op, n, err := t.header()
		if err != nil {
			return false, nil, err
		}
		if cap(t.buf) < n {
			t.buf = make([]byte, n)
		}
		t.buf = t.buf[:n]
		if _, err := io.ReadFull(t.r, t.buf); err != nil {
			return false, nil, err
		}
		switch op {
		case 0x81, 0x82:
			return op == 0x81, t.buf, nil
		case 0x88:
			return false, nil, fmt.Errorf("load: server closed: %x", t.buf)
		case 0x89, 0x8A: // ping, pong
		default:
			return false, nil, errors.New("load: unexpected frame")
		}
	}
}

func (t *transport) header() (op byte, n int, err error) {
	var h [8]byte
	if _, err := io.ReadFull(t.r, h[:2]); err != nil {
		return 0, 0, err
	}
	op, n = h[0], int(h[1])
	switch n {
	case 126:
		_, err = io.ReadFull(t.r, h[:2])
		n = int(binary.BigEndian.Uint16(h[:]))
	case 127:
		_, err = io.ReadFull(t.r, h[:8])
		n = int(binary.BigEndian.Uint64(h[:]))
	}
	if n > 1<<20 {
		return 0, 0, errors.New("load: unexpected frame size")
	}
	return op, n, err
}

// Write implements channel.Transport.
func (t *transport) Write(_ context.Context, text bool, data []byte) error {
	frame := append(make([]byte, 0, len(data)+14), 0x82)
	if text {
		frame[0] = 0x81
	}
	if len(data) < 126 {
		frame = append(frame, 0x80|byte(len(data)))
	} else {
		frame = append(frame, 0x80|126)
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(data)))
	}
	frame = append(append(frame, 0, 0, 0, 0), data...)
	t.wmu.Lock()
	defer t.wmu.Unlock()
	_, err := t.conn.Write(frame)
	return err
}

// Ping, Close and CloseNow implement channel.Transport.
func (t *transport) Ping(context.Context) error { return nil }
func (t *transport) Close(int, string) error    { return t.conn.Close() }
func (t *transport) CloseNow() error            { return t.conn.Close() }
