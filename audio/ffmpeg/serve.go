package ffmpeg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Served is a medium on an address of the loopback, for a child that must seek in what is
// no file: ranges of it come from the ReadSeeker. Only who knows the address gets it.
type Served struct {
	URL string
	srv *http.Server
	end context.CancelFunc
	wg  sync.WaitGroup
	one chan struct{} // held by who reads m: ffmpeg reads in one place at a time, the one before may linger
}

// Serve serves m until Close. Between Serve and Close m belongs to it. size is in bytes.
func Serve(m io.ReadSeeker, size int64) (*Served, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for ffmpeg on the loopback: %w", err)
	}
	path := "/" + rand.Text()
	ctx, end := context.WithCancel(context.Background())
	s := &Served{URL: "http://" + l.Addr().String() + path, end: end, one: make(chan struct{}, 1)}
	s.srv = &http.Server{
		ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path || !strings.HasPrefix(r.RemoteAddr, "127.0.0.1:") {
				http.NotFound(w, r)
				return
			}
			select {
			case s.one <- struct{}{}:
				defer func() { <-s.one }()
				if ctx.Err() != nil {
					return
				}
				w.Header().Set("Content-Type", "application/octet-stream")
				http.ServeContent(w, r, "", time.Time{}, &bounded{m, size})
			case <-r.Context().Done():
			}
		}),
	}
	s.wg.Go(func() { _ = s.srv.Serve(l) })
	return s, nil
}

// bounded answers seeks to the end by a size that is known.
type bounded struct {
	io.ReadSeeker
	size int64
}

func (b *bounded) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset, whence = offset+b.size, io.SeekStart
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	return b.ReadSeeker.Seek(offset, whence)
}

// Close ends the server and waits for the last read of m to return.
func (s *Served) Close() {
	s.end()
	_ = s.srv.Close()
	s.one <- struct{}{} // for good
	s.wg.Wait()
}
