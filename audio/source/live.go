package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Title is what a source that goes on says of itself from a frame on.
type Title struct {
	Frame         int64 // of those that Read delivers, from 0
	Title, Artist string
}

// Titler is a Source whose content changes its title while it plays.
type Titler interface {
	// NextTitle gives the next title that begins within what Read has delivered.
	NextTitle() (Title, bool)
}

// conn is one connection to something that goes on by itself. Read blocks; it ends with
// the context of its connect.
type conn interface {
	Read(dst []int32) (frames int, err error)
	// Title gives a title that begins with what the last Read delivered.
	Title() (title, artist string, ok bool)
	Close() error
}

// liveConfig says how a live source behaves. Durations that are 0 mean none.
type liveConfig struct {
	name    string // for the log
	info    Info
	connect func(ctx context.Context) (conn, error)
	block   time.Duration // audio that is read at once
	buffer  time.Duration // audio that waits for Read
	first   time.Duration // audio that must be there before Read gives any
	pace    time.Duration // Read gives no more than this ahead of real time
	margin  time.Duration // when Read is no more than this ahead of real time, it gives silence
	giveUp  time.Duration // without audio, until the source ends with an error
	finite  bool          // the end of a connection can be the end of all: io.EOF
	house   func() int64  // µs of the clock that plays
	log     *slog.Logger
}

// Waits between attempts to connect anew.
const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 30 * time.Second
	// firstWait is how long Read waits for the rest of the first audio.
	firstWait = 3 * time.Second
)

// retryAfter is an error that says when to try again.
type retryAfter struct {
	error
	wait time.Duration
}

func (e retryAfter) Unwrap() error { return e.error }

// liveSource plays what goes on by itself: connections that come and go, with silence
// in between, in step with the clock. One goroutine reads ahead, within buffer.
type liveSource struct {
	cfg    liveConfig
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	full   chan *liveBlock
	free   chan *liveBlock
	end    error // of the goroutine; read after full is closed

	early     []*liveBlock // read before the first delivery
	cur       *liveBlock
	off       int
	started   bool
	startUS   int64 // house time of the first delivery
	delivered int64 // frames
	titles    []Title
}

type liveBlock struct {
	samples []int32 // room; n of them are audio
	n       int
	titled  bool
	title   string
	artist  string
}

// newLive starts reading. first is a connection that is open already, or nil.
func newLive(ctx context.Context, cfg liveConfig, first conn) *liveSource {
	ctx, cancel := context.WithCancel(ctx)
	if cfg.house == nil {
		cfg.house = monotonic
	}
	if cfg.log == nil {
		cfg.log = slog.New(slog.DiscardHandler)
	}
	n := max(int(cfg.buffer/cfg.block), 2)
	l := &liveSource{cfg: cfg, ctx: ctx, cancel: cancel, full: make(chan *liveBlock, n), free: make(chan *liveBlock, n)}
	size := int(int64(cfg.info.SampleRate)*int64(cfg.block)/int64(time.Second)) * cfg.info.Channels
	for range n {
		l.free <- &liveBlock{samples: make([]int32, max(size, cfg.info.Channels))}
	}
	l.wg.Go(func() { l.run(first) })
	return l
}

// programStart is what monotonic counts from.
var programStart = time.Now()

func monotonic() int64 { return time.Since(programStart).Microseconds() }

// run reads one connection after the other.
func (l *liveSource) run(c conn) {
	defer close(l.full)
	heard, tries := l.cfg.house(), 0
	for {
		var err error
		if c == nil {
			c, err = l.cfg.connect(l.ctx)
		}
		if err == nil {
			var got bool
			got, err = l.drain(c)
			_ = c.Close() // the reason it ended is the better error
			c = nil
			if got {
				heard, tries = l.cfg.house(), 0
			}
		}
		if l.cfg.finite && errors.Is(err, io.EOF) {
			l.end = io.EOF
			return
		}
		if l.ctx.Err() != nil {
			l.end = context.Cause(l.ctx)
			return
		}
		if quiet := time.Duration(l.cfg.house()-heard) * time.Microsecond; l.cfg.giveUp > 0 && quiet > l.cfg.giveUp {
			l.end = fmt.Errorf("no audio for %v: %w", quiet.Round(time.Second), err)
			return
		}
		if !l.pause(err, tries) {
			l.end = context.Cause(l.ctx)
			return
		}
		tries++
	}
}

// errNext ends a connection that is to be followed by the next one at once.
var errNext = errors.New("the next part follows")

// pause waits before another attempt: longer each time, or as long as the server asks.
func (l *liveSource) pause(err error, tries int) bool {
	if errors.Is(err, errNext) {
		return true
	}
	wait := min(retryFirst<<min(tries, 10), retryMost)
	var ra retryAfter
	if errors.As(err, &ra) {
		wait = max(wait, ra.wait)
	}
	level := slog.LevelDebug // a pipe without a writer is as it should be
	if l.cfg.giveUp > 0 && tries == 0 {
		level = slog.LevelInfo
	}
	l.cfg.log.Log(l.ctx, level, "stream is interrupted and taken up again", "stream", l.cfg.name, "in", wait, "err", err)
	return sleep(l.ctx, wait)
}

// sleep is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drain reads c to its end, and tells whether there was audio.
func (l *liveSource) drain(c conn) (got bool, err error) {
	if i, ok := c.(interface{ Interrupt() }); ok {
		defer context.AfterFunc(l.ctx, i.Interrupt)()
	}
	for {
		var b *liveBlock
		select {
		case b = <-l.free:
		case <-l.ctx.Done():
			return got, l.ctx.Err()
		}
		n, err := c.Read(b.samples)
		b.n = n * l.cfg.info.Channels
		b.title, b.artist, b.titled = c.Title()
		if n == 0 && !b.titled {
			l.free <- b
		} else {
			got = got || n > 0
			select {
			case l.full <- b:
			case <-l.ctx.Done():
				return got, l.ctx.Err()
			}
		}
		if err != nil {
			return got, err
		}
	}
}

func (l *liveSource) Info() Info { return l.cfg.info }

// Read gives audio, or silence when there is none in time.
func (l *liveSource) Read(dst []int32) (int, error) {
	if l.cur == nil {
		b, err := l.next()
		if err != nil {
			return 0, err
		}
		if b == nil {
			return l.silence(dst), nil
		}
		l.cur, l.off = b, 0
		if b.titled {
			l.titles = append(l.titles, Title{Frame: l.delivered, Title: b.title, Artist: b.artist})
		}
	}
	n := copy(dst[:len(dst)/l.cfg.info.Channels*l.cfg.info.Channels], l.cur.samples[l.off:l.cur.n])
	if l.off += n; l.off == l.cur.n {
		l.free <- l.cur // there is room: it came from there
		l.cur = nil
	}
	l.delivered += int64(n / l.cfg.info.Channels)
	return n / l.cfg.info.Channels, nil
}

// silence is a fiftieth of a second at most, so that audio that comes is not held up.
func (l *liveSource) silence(dst []int32) int {
	n := min(len(dst)/l.cfg.info.Channels, max(l.cfg.info.SampleRate/50, 1))
	clear(dst[:n*l.cfg.info.Channels])
	l.delivered += int64(n)
	return n
}

// next is the next block, or nil for silence.
func (l *liveSource) next() (*liveBlock, error) {
	if !l.started {
		if err := l.begin(); err != nil {
			return nil, err
		}
	}
	if len(l.early) > 0 {
		b := l.early[0]
		l.early = l.early[1:]
		return b, nil
	}
	ahead := l.ahead()
	for l.cfg.pace > 0 && ahead > l.cfg.pace {
		if !sleep(l.ctx, ahead-l.cfg.pace) { // of the system's clock: the house's may differ a little
			return nil, context.Cause(l.ctx)
		}
		ahead = l.ahead()
	}
	t := time.NewTimer(max(ahead-l.cfg.margin, 0))
	defer t.Stop()
	select { // what is there goes before the time
	case b, ok := <-l.full:
		return l.took(b, ok)
	default:
	}
	select {
	case b, ok := <-l.full:
		return l.took(b, ok)
	case <-t.C:
		return nil, nil
	}
}

func (l *liveSource) took(b *liveBlock, ok bool) (*liveBlock, error) {
	if !ok {
		return nil, l.end
	}
	return b, nil
}

// ahead is how far what was delivered is ahead of real time.
func (l *liveSource) ahead() time.Duration {
	played := time.Duration(l.cfg.house()-l.startUS) * time.Microsecond
	return time.Duration(l.delivered*int64(time.Second)/int64(l.cfg.info.SampleRate)) - played
}

// begin collects the first audio.
func (l *liveSource) begin() error {
	defer func() { l.started, l.startUS = true, l.cfg.house() }()
	if l.cfg.first == 0 {
		return nil
	}
	var have time.Duration
	var limit <-chan time.Time // runs from the first block on: until then there is nothing to play
	for have < l.cfg.first && len(l.early) < cap(l.full)-1 {
		select {
		case b, ok := <-l.full:
			if !ok {
				if len(l.early) > 0 {
					return nil
				}
				return l.end
			}
			if limit == nil {
				t := time.NewTimer(firstWait)
				defer t.Stop()
				limit = t.C
			}
			l.early = append(l.early, b)
			have += time.Duration(b.n/l.cfg.info.Channels) * time.Second / time.Duration(l.cfg.info.SampleRate)
		case <-limit:
			return nil
		}
	}
	return nil
}

func (l *liveSource) NextTitle() (Title, bool) {
	if len(l.titles) == 0 {
		return Title{}, false
	}
	t := l.titles[0]
	l.titles = l.titles[1:]
	return t, true
}

func (l *liveSource) SeekFrame(int64) error {
	return errors.New("it goes on by itself: there is no position to go to")
}

func (l *liveSource) Close() error {
	l.cancel()
	l.wg.Wait()
	return nil
}
