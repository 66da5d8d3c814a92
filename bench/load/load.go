// Package load is the load generator: a process of many light Sendspin players.
//
// Each player does the whole opening (Noise included) and reports its state. Of
// those, a few are judges, which decrypt everything and compare each chunk's
// arrival with its timestamp (server and load generator share the kernel's monotonic
// clock, so no time filter stands in between); the others only read their socket and
// count bytes, so that the two cores belong to the server as far as possible.
package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Role is the command line argument of the load generator.
const Role = "load"

// Capacity is the buffer of each player in bytes: a second of 48 kHz/16 bit PCM.
const Capacity = 200_000

// opening is how many players open at the same time.
const opening = 32

// Report is what the load generator tells when asked with "mark"; figures other than
// CPU and Bytes are since the mark before.
type Report struct {
	CPU    time.Duration // processor time so far
	Bytes  int64         // received by all players so far
	Chunks int64         // received by the judges
	Late   int64         // of those, after the time at which they should sound
	// LeadStart and LeadEnd are the judges' mean leads (timestamp minus arrival) in
	// the first and the last second; MinLead is the least of all. µs.
	LeadStart, LeadEnd, MinLead int64
	Lost                        int64 // players whose connection ended
}

// Turnaround is what it tells when asked with "time <count>": percentiles in µs of
// the round trip and of the server's part (server_transmitted - server_received).
type Turnaround struct {
	RoundTrip50, RoundTrip99, Server50, Server99 int64
}

// Main runs the load generator: -addr, -players, -judges, -suite.
func Main(args []string) error {
	flags := flag.NewFlagSet(Role, flag.ContinueOnError)
	addr := flags.String("addr", "", "the gateway")
	players := flags.Int("players", 1, "players")
	judges := flags.Int("judges", 1, "players that decrypt")
	suite := flags.String("suite", string(noise.AESGCM), "cipher suite")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g := &generator{addr: *addr, suite: noise.Suite(*suite)}
	start := time.Now()
	if err := g.open(ctx, *players, *judges); err != nil {
		return err
	}
	fmt.Printf("ready %d\n", time.Since(start).Microseconds())
	return g.serve(ctx)
}

type generator struct {
	addr  string
	suite noise.Suite
	bytes atomic.Int64
	lost  atomic.Int64

	mu    sync.Mutex
	leads []lead
	clock *channel.Conn // for client/time; opened at the first use
}

// lead is one chunk at a judge.
type lead struct{ at, lead int64 }

func (g *generator) open(ctx context.Context, players, judges int) error {
	var wg sync.WaitGroup
	places, failed := make(chan struct{}, opening), make(chan error, players)
	for i := range players {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			conn, t, err := g.player(ctx, true)
			switch {
			case err != nil:
				failed <- err
			case i < judges:
				go g.judge(ctx, conn)
			default:
				go g.drain(t)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// player opens one connection up to the first server/activate, and reports its state
// if it is to play.
func (g *generator) player(ctx context.Context, plays bool) (*channel.Conn, *transport, error) {
	t, err := dial(ctx, g.addr)
	if err != nil {
		return nil, nil, err
	}
	key, err := noise.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	conn, err := channel.OpenClient(ctx, t, channel.ClientConfig{Identity: key, Suite: g.suite})
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := conn.Read(ctx); err != nil { // server/hello
		return nil, nil, err
	}
	if err := send(ctx, conn, hello()); err != nil {
		return nil, nil, err
	}
	if _, _, err := conn.Read(ctx); err != nil { // server/activate
		return nil, nil, err
	}
	if !plays {
		return conn, t, nil
	}
	volume := 50
	return conn, t, send(ctx, conn, &wire.ClientState{Available: true, Player: &wire.PlayerState{
		RequiredLeadMS: 300, MinBufferMS: 200, SupportedCommands: []string{"volume"}, Volume: &volume,
	}})
}

func hello() *wire.ClientHello {
	pcm := wire.AudioFormat{Codec: "pcm", Channels: 2, SampleRate: 48000, BitDepth: 16}
	flac := pcm
	flac.Codec = "flac"
	return &wire.ClientHello{
		Name: "load", SupportedRoles: []string{"player@v1"},
		Player:         &wire.PlayerSupport{Formats: []wire.AudioFormat{pcm, flac}, BufferCapacity: Capacity},
		PairMethods:    wire.PairMethods{PSK: &wire.SecretMethod{}},
		UnpairedAccess: wire.UnpairedAccess{Enabled: true},
	}
}

func send(ctx context.Context, conn *channel.Conn, m wire.Message) error {
	body, err := wire.Current().Encode(m)
	if err != nil {
		return err
	}
	return conn.WriteJSON(ctx, body)
}

func (g *generator) judge(ctx context.Context, conn *channel.Conn) {
	for {
		id, payload, err := conn.Read(ctx)
		if err != nil {
			g.lost.Add(1)
			return
		}
		now := houseclock.MonotonicMicros()
		g.bytes.Add(int64(len(payload)))
		if id != wire.IDAudio {
			continue
		}
		c, err := wire.Current().ParseAudioChunk(payload)
		if err != nil {
			g.lost.Add(1)
			return
		}
		g.mu.Lock()
		g.leads = append(g.leads, lead{at: now, lead: c.Timestamp - now})
		g.mu.Unlock()
	}
}

// drain reads what comes; the buffer of the transport is empty or nearly so.
func (g *generator) drain(t *transport) {
	buf := make([]byte, 24<<10)
	for {
		n, err := t.conn.Read(buf)
		g.bytes.Add(int64(n))
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				g.lost.Add(1)
			}
			return
		}
	}
}

// serve answers the questions on standard input until it ends.
func (g *generator) serve(ctx context.Context) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, rest, _ := strings.Cut(in.Text(), " ")
		var answer any
		var err error
		switch verb {
		case "mark":
			answer, err = g.mark()
		case "time":
			var n int
			if n, err = strconv.Atoi(rest); err == nil {
				answer, err = g.time(ctx, n)
			}
		default:
			err = fmt.Errorf("load: unknown question %q", verb)
		}
		if err != nil {
			return err
		}
		b, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", b)
	}
	return in.Err()
}

func (g *generator) mark() (Report, error) {
	cpu, err := proc.CPU()
	g.mu.Lock()
	leads := g.leads
	g.leads = nil
	g.mu.Unlock()
	r := Report{CPU: cpu, Bytes: g.bytes.Load(), Chunks: int64(len(leads)), Lost: g.lost.Load()}
	if len(leads) == 0 {
		return r, err
	}
	slices.SortFunc(leads, func(a, b lead) int { return int(a.at - b.at) })
	first, last := leads[0].at, leads[len(leads)-1].at
	var starts, ends []int64
	r.MinLead = leads[0].lead
	for _, l := range leads {
		r.MinLead = min(r.MinLead, l.lead)
		if l.lead < 0 {
			r.Late++
		}
		if l.at < first+1e6 {
			starts = append(starts, l.lead)
		}
		if l.at > last-1e6 {
			ends = append(ends, l.lead)
		}
	}
	r.LeadStart, r.LeadEnd = mean(starts), mean(ends)
	return r, err
}

func mean(v []int64) int64 {
	var sum int64
	for _, x := range v {
		sum += x
	}
	return sum / int64(max(len(v), 1))
}

// time makes n exchanges on a connection that does nothing else.
func (g *generator) time(ctx context.Context, n int) (Turnaround, error) {
	if g.clock == nil {
		conn, _, err := g.player(ctx, false)
		if err != nil {
			return Turnaround{}, err
		}
		g.clock = conn
	}
	var trip, server []int64
	for range n {
		t1 := houseclock.MonotonicMicros()
		if err := send(ctx, g.clock, &wire.ClientTime{ClientTransmitted: t1}); err != nil {
			return Turnaround{}, err
		}
		for {
			_, payload, err := g.clock.Read(ctx)
			if err != nil {
				return Turnaround{}, err
			}
			t4 := houseclock.MonotonicMicros()
			m, err := wire.Current().DecodeFromServer(payload)
			if err != nil {
				return Turnaround{}, err
			}
			if st, ok := m.(*wire.ServerTime); ok {
				trip, server = append(trip, t4-t1), append(server, st.ServerTransmitted-st.ServerReceived)
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	slices.Sort(trip)
	slices.Sort(server)
	return Turnaround{
		RoundTrip50: trip[n/2], RoundTrip99: trip[n*99/100], Server50: server[n/2], Server99: server[n*99/100],
	}, nil
}
