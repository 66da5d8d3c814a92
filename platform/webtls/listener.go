package webtls

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Bounds of the talk with a peer that speaks plain HTTP.
const (
	plainTime = 5 * time.Second
	plainMax  = 64 << 10
)

// Listen serves TLS on l. A peer that speaks plain HTTP is sent to https, when it only
// wants to see a page; what carries a body or a credential is refused with a sentence, so
// that it is noticed: it has been sent in the clear.
func Listen(l net.Listener, c *Certificate) net.Listener {
	return tls.NewListener(plainListener{l}, c.Config())
}

type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainConn{Conn: c}, nil
}

// plainConn looks at the first byte of a connection when it is first read, which is in the
// goroutine of that connection.
type plainConn struct {
	net.Conn
	once sync.Once
	head []byte // read, and not yet passed on
	err  error
}

// errPlain ends a connection that was answered here.
var errPlain = errors.New("webtls: the peer speaks plain HTTP")

func (c *plainConn) Read(p []byte) (int, error) {
	c.once.Do(c.look)
	if c.err != nil {
		return 0, c.err
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *plainConn) look() {
	var first [1]byte
	if _, c.err = io.ReadFull(c.Conn, first[:]); c.err != nil {
		return
	}
	if first[0] < 'A' || first[0] > 'Z' { // no HTTP method; a TLS record begins with 22
		c.head = first[:]
		return
	}
	c.err = errPlain
	_ = c.SetDeadline(time.Now().Add(plainTime))
	r, err := http.ReadRequest(bufio.NewReader(io.LimitReader(io.MultiReader(strings.NewReader(string(first[:])), c.Conn), plainMax)))
	if err != nil {
		return
	}
	_, _ = io.WriteString(c.Conn, plainAnswer(r)) // whoever does not take it has gone
	_ = c.Close()
}

// plainAnswer is what a plain request gets.
func plainAnswer(r *http.Request) string {
	const head = "HTTP/1.1 %s\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s"
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads && r.Header.Get("Authorization") == "" && plainHost(r.Host) {
		return fmt.Sprintf(head, "307 Temporary Redirect", "text/plain; charset=utf-8", 0, "Location: https://"+r.Host+r.URL.RequestURI()+"\r\n", "")
	}
	body, _ := json.Marshal(map[string]any{ // cannot fail
		"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "this port speaks TLS: use an address that begins with https://",
	})
	if r.Method == http.MethodHead {
		body = nil
	}
	return fmt.Sprintf(head, "400 Bad Request", "application/problem+json", len(body), "", body)
}

// plainHost reports whether a Host header can stand in an address.
func plainHost(h string) bool {
	return h != "" && strings.Trim(strings.ToLower(h), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]_") == ""
}
