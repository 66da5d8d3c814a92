package cluster

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Piece is consecutive frames of one title that a player was sent.
type Piece struct {
	At     int64 // house time of the first frame, µs
	Frames int64
	Title  int   // 0: silence that the server made
	First  int64 // number of the first frame
	Came   int64 // when it arrived, on nowUS
	// Gone is when the player was told to drop what it holds, on nowUS; 0: it was not. Lost
	// is when its connection ended, which need not be a reason to stop: a player may play
	// what it has.
	Gone, Lost int64
}

// Player is a virtual player: the real client library over a real socket of the devices'
// host. It keeps which frames it was sent for when.
type Player struct {
	Name   string
	Group  int
	Client *client.Client
	URL    string // where it listens; empty when it dials
	// read tells the title and the number of frame i of a chunk that begins at a house time, µs.
	read func(frame []byte, at, i int64) (title int, number int64)

	mu     sync.Mutex
	pieces []Piece
	open   int // pieces before this one have their Gone and Lost, or were played
	torn   int // frames inside a chunk that do not follow each other
	broken []string
}

// BufferSeconds is what a player holds: the least for which a rolling restart is silent.
const BufferSeconds = 3

// NewPlayer makes a player; Listen or Dial starts it.
func NewPlayer(t testing.TB, name string, group int) *Player {
	t.Helper()
	p := &Player{Name: name, Group: group, read: readNumbered}
	c, err := client.New(client.Config{
		Name: name, UnpairedAccess: true, Strict: true, Formats: []wire.AudioFormat{Format()},
		BufferCapacity: BufferSeconds * (rate*4 + 10*32), RequiredLeadMS: 100, MinBufferMS: 200,
		SyncInterval: 2 * time.Second, BackoffMin: 250 * time.Millisecond, BackoffMax: time.Second,
		Now: nowUS, OnEvent: p.event, OnChunk: p.chunk,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	return p
}

// Listen lets gateways dial the player at addr until the test ends.
func (p *Player) Listen(t testing.TB, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p.URL = "ws://" + ln.Addr().String() + "/sendspin"
	background(t, func(ctx context.Context) { _ = p.Client.Serve(ctx, ln) })
}

// Dial connects to a gateway's address until the test ends.
func (p *Player) Dial(t testing.TB, url string) {
	t.Helper()
	background(t, func(ctx context.Context) { _ = p.Client.Dial(ctx, url) })
}

func (p *Player) event(e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case client.Violation:
		p.broken = append(p.broken, e.String())
	case client.StreamCleared:
		p.stop(func(q *Piece) *int64 { return &q.Gone })
	case client.StreamEnded:
		if e.Lost { // with its connection: what is held may sound on
			p.stop(func(q *Piece) *int64 { return &q.Lost })
		} else {
			p.stop(func(q *Piece) *int64 { return &q.Gone })
		}
	case client.Disconnected:
		p.stop(func(q *Piece) *int64 { return &q.Lost })
	}
}

// stop marks the pieces that are held now.
func (p *Player) stop(which func(*Piece) *int64) {
	now := nowUS()
	for i := range p.pieces[p.open:] {
		if at := which(&p.pieces[p.open+i]); *at == 0 {
			*at = now
		}
	}
}

// chunk notes which frames came. A frame that does not follow the one before it begins
// another piece.
func (p *Player) chunk(c client.Chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	frames := int64(len(c.Data) / 4)
	var q *Piece
	for i := range frames {
		at := c.Timestamp + i*1_000_000/rate
		title, frame := p.read(c.Data[4*i:], c.Timestamp, i)
		if q != nil && q.Title == title && (title == 0 || frame == q.First+q.Frames) {
			q.Frames++
			continue
		}
		if q != nil && q.Title == title {
			p.torn++
		}
		p.pieces = append(p.pieces, Piece{At: at, Frames: 1, Title: title, First: frame, Came: c.ArrivedAt})
		q = &p.pieces[len(p.pieces)-1]
	}
	p.settle()
}

// settle moves open past what was played already, so that a stop costs little.
func (p *Player) settle() {
	f, ok := p.offset()
	if !ok {
		return
	}
	now := nowUS()
	for p.open < len(p.pieces) {
		q := &p.pieces[p.open]
		if q.At-f+q.Frames*1_000_000/rate > now {
			return
		}
		p.open++
	}
}

// offset is house time minus nowUS.
func (p *Player) offset() (us int64, ok bool) {
	now := nowUS()
	house, ok := p.Client.ServerTime(now)
	return house - now, ok
}

// Ahead is how much music the player holds beyond now, in µs; negative: since when it is
// silent, at least.
func (p *Player) Ahead() int64 {
	off, ok := p.offset()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ok || len(p.pieces) == 0 {
		return -1 << 40
	}
	q := p.pieces[len(p.pieces)-1]
	if q.Gone != 0 || q.Lost != 0 {
		return -1
	}
	return q.At + q.Frames*1_000_000/rate - off - nowUS()
}

// Pieces since house time from.
func (p *Player) Pieces(from int64) []Piece {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.pieces)
	for i > 0 && p.pieces[i-1].At >= from-60_000_000 {
		i--
	}
	return append([]Piece(nil), p.pieces[i:]...)
}

// Broken are the rules of the specification that the server broke, and chunks that do
// not hold together.
func (p *Player) Broken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := append([]string(nil), p.broken...)
	if p.torn > 0 {
		out = append(out, fmt.Sprintf("%d breaks inside a chunk", p.torn))
	}
	return out
}
