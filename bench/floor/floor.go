// Package floor measures what delivery can cost at best: a program that does
// nothing but seal the same bytes for N players and write them to N loopback
// sockets, one write a chunk, while another process reads. What the gateway needs
// beyond this is its own.
package floor

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tutti-audio/tutti/bench/proc"
)

// RoleReader is the command line argument of the reading child.
const RoleReader = "floor-reader"

// Ciphers of Config.
const (
	Plain  = "plain"
	ChaCha = "ChaCha20-Poly1305"
	GCM    = "AES-256-GCM"
)

// Shape is what one player gets.
type Shape struct {
	Name   string
	Bytes  int           // of a chunk, before sealing
	Period time.Duration // between chunks
}

// Shapes are the streams that are measured: 48 kHz, 16 bit, stereo.
func Shapes() []Shape {
	return []Shape{
		{"PCM 20 ms", 3840, 20 * time.Millisecond},
		{"PCM 100 ms", 19200, 100 * time.Millisecond},
		{"FLAC 20 ms", 2304, 20 * time.Millisecond},
		{"FLAC 100 ms", 11520, 100 * time.Millisecond},
		{"Opus 100 ms", 1600, 100 * time.Millisecond},
	}
}

// Config of one measurement.
type Config struct {
	Shape    Shape
	Cipher   string
	Players  int
	Duration time.Duration
}

// Result of one measurement.
type Result struct {
	// CoresPer1000 is processor cores used per 1,000 players.
	CoresPer1000 float64
	// Late is the share of rounds (one chunk to every player) that were not done
	// when the next one was due.
	Late float64
	// Behind is how far the slowest worker was behind its schedule at the end. A
	// player's buffer hides a late round, but not a growing delay.
	Behind time.Duration
}

// header stands for message ID and chunk header, frame for the WebSocket's header.
const (
	header = 13
	frame  = 4
)

// Run measures once.
func Run(ctx context.Context, cfg Config) (Result, error) {
	child, err := proc.Start(RoleReader)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = child.Stop() }()
	addr, err := child.Line()
	if err != nil {
		return Result{}, err
	}
	workers, err := connect(ctx, addr, cfg)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()

	before, err := proc.CPU()
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w.run(ctx, start, cfg)
		}()
	}
	wg.Wait()
	wall := time.Since(start)
	after, err := proc.CPU()
	if err != nil {
		return Result{}, err
	}
	res := Result{CoresPer1000: float64(after-before) / float64(wall) * 1000 / float64(cfg.Players)}
	rounds, late := 0, 0
	for _, w := range workers {
		if w.err != nil {
			return Result{}, fmt.Errorf("floor: write: %w", w.err)
		}
		rounds, late = rounds+w.rounds, late+w.late
		res.Behind = max(res.Behind, w.behind)
	}
	res.Late = float64(late) / float64(max(rounds, 1))
	return res, nil
}

// worker serves its share of the players in one goroutine.
type worker struct {
	conns []net.Conn
	aeads []cipher.AEAD // one per player, as each session has its own key
	plain []byte
	out   []byte
	n     uint64

	rounds, late int
	behind       time.Duration
	err          error
}

func connect(ctx context.Context, addr string, cfg Config) ([]*worker, error) {
	workers := make([]*worker, runtime.GOMAXPROCS(0))
	for i := range workers {
		workers[i] = &worker{
			plain: make([]byte, header+cfg.Shape.Bytes),
			out:   make([]byte, frame, frame+header+cfg.Shape.Bytes+16),
		}
	}
	for i := range cfg.Players {
		w := workers[i%len(workers)]
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("floor: connect player %d: %w", i, err)
		}
		w.conns = append(w.conns, conn)
		aead, err := newAEAD(cfg.Cipher, uint64(i))
		if err != nil {
			return nil, err
		}
		w.aeads = append(w.aeads, aead)
	}
	return workers, nil
}

func newAEAD(name string, n uint64) (cipher.AEAD, error) {
	key := make([]byte, 32)
	binary.LittleEndian.PutUint64(key, n)
	switch name {
	case Plain:
		return nil, nil
	case ChaCha:
		return chacha20poly1305.New(key)
	case GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	default:
		return nil, fmt.Errorf("floor: unknown cipher %q", name)
	}
}

// run writes one chunk to each player per period.
func (w *worker) run(ctx context.Context, start time.Time, cfg Config) {
	for due := start; time.Since(start) < cfg.Duration && ctx.Err() == nil; {
		time.Sleep(time.Until(due))
		due = due.Add(cfg.Shape.Period)
		if w.err = w.round(); w.err != nil {
			return
		}
		w.rounds++
		w.behind = time.Since(due)
		if time.Now().After(due) {
			w.late++
		}
	}
}

func (w *worker) round() error {
	var nonce [12]byte
	w.n++
	binary.LittleEndian.PutUint64(nonce[4:], w.n)
	for i, c := range w.conns {
		binary.BigEndian.PutUint64(w.plain[1:], w.n)
		out := w.out[:frame]
		if a := w.aeads[i]; a != nil {
			out = a.Seal(out, nonce[:], w.plain, nil)
		} else {
			out = append(out, w.plain...)
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) close() {
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// Reader is the reading child: it prints its address, accepts connections and
// discards what comes, until its standard input ends.
func Reader() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("floor: listen: %w", err)
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, l.Addr())
	if err := out.Flush(); err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go discard(c)
		}
	}()
	proc.UntilStdinEnds()
	return l.Close()
}

func discard(c net.Conn) {
	buf := make([]byte, 24<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			_ = c.Close()
			return
		}
	}
}
