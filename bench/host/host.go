// Package host is the measured process: a session-gateway on an embedded bus, with
// pairing and stream played by the bench. All players are on one tape, so that what
// is measured is the gateway's delivery and not encoding.
package host

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sync/errgroup"

	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	gateway "github.com/tutti-audio/tutti/services/session-gateway"
)

// Role is the command line argument of the measured process.
const Role = "host"

const (
	group     = "bench"
	ahead     = 8 * time.Second // of the tape
	startLead = time.Second
)

// Report is what the host tells when asked with "mark" or "gc" (which collects
// garbage first).
type Report struct {
	CPU        time.Duration // processor time so far
	Wall       time.Duration // since the start
	RSS        int64         // bytes
	Heap       int64         // live objects, bytes
	Stacks     int64         // bytes
	Goroutines int
	Clients    int
}

// Main runs the host until standard input ends. It prints its address first.
func Main() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	b, err := bus.Connect(ctx, bus.Config{Embedded: &bus.EmbeddedConfig{}, Name: "bench", Log: log})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.Background()) }()
	h := &host{bus: b, start: time.Now()}
	if err := h.pairing(); err != nil {
		return err
	}
	if err := b.EnsureStream(ctx, bus.StreamConfig{
		Name: subject.StreamTape, Subjects: []string{subject.TapeAll}, Memory: true, MaxAge: 20 * time.Second,
	}); err != nil {
		return err
	}
	svc, err := gateway.New(gateway.Config{
		InstanceID: "bench", Listen: "127.0.0.1:0", MaxHalfOpen: 4096, MaxHalfOpenPerAddress: 4096,
		PingInterval: time.Hour, // the load generator's players do not answer
	}, gateway.Deps{Bus: b, House: mono{}, Log: log})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	for svc.Ready() != nil {
		select {
		case err := <-done:
			return fmt.Errorf("host: gateway ended: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	fmt.Println(svc.Addr())
	err = h.serve(ctx)
	cancel()
	<-done
	return err
}

// mono is the house clock of a deployment of one: CLOCK_MONOTONIC, which the load
// generator reads as well.
type mono struct{}

func (mono) NowMicros() int64      { return houseclock.MonotonicMicros() }
func (mono) Info() houseclock.Info { return houseclock.Info{Leader: "bench"} }

type host struct {
	bus   *bus.Conn
	start time.Time
	stop  func() // of the tape

	profile *os.File

	mu      sync.Mutex
	clients []string
}

// pairing answers for the pairing service: everybody is approved.
func (h *host) pairing() error {
	key, err := noise.GenerateKey(nil)
	if err != nil {
		return err
	}
	svc, err := h.bus.NewService("pairing", "0.0.1", "bench")
	if err != nil {
		return err
	}
	if err := bus.Handle(svc, subject.PairingIdentity, func(_ context.Context, r *tuttiv1.IdentityRequest) (*tuttiv1.IdentityResponse, error) {
		pub := [32]byte(r.GetRecipientKey())
		sealed, err := box.SealAnonymous(nil, key.Bytes(), &pub, rand.Reader)
		return &tuttiv1.IdentityResponse{ServerId: key.Public().ID(), SealedPrivateKey: sealed}, err
	}); err != nil {
		return err
	}
	if err := bus.Handle(svc, subject.PairingCredential, func(context.Context, *tuttiv1.CredentialRequest) (*tuttiv1.CredentialResponse, error) {
		return &tuttiv1.CredentialResponse{Category: string(noise.Sentinel)}, nil
	}); err != nil {
		return err
	}
	return bus.Handle(svc, subject.PairingAdmit, func(_ context.Context, r *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error) {
		h.mu.Lock()
		h.clients = append(h.clients, r.GetClientId())
		h.mu.Unlock()
		return &tuttiv1.AdmitResponse{State: tuttiv1.TrustState_TRUST_STATE_APPROVED, AllowedFamilies: []string{"player"}}, nil
	})
}

// Play is the question "play {json}": a stream to all players.
type Play struct {
	Codec  string
	Bytes  int           // of a chunk
	Period time.Duration // of a chunk
}

func (h *host) serve(ctx context.Context) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, rest, _ := strings.Cut(in.Text(), " ")
		var answer any = "ok"
		var err error
		switch verb {
		case "mark":
			answer, err = h.mark()
		case "gc":
			for range 4 { // a collection halves stacks that are too large: idle ones see many
				debug.FreeOSMemory()
			}
			answer, err = h.mark()
		case "cpuprofile": // until "cpustop"
			err = h.startProfile(rest)
		case "cpustop":
			pprof.StopCPUProfile()
			err = h.profile.Close()
		case "heapprofile":
			err = heapProfile(rest)
		case "play":
			var p Play
			if err = json.Unmarshal([]byte(rest), &p); err == nil {
				err = h.play(ctx, p)
			}
		default:
			err = fmt.Errorf("host: unknown question %q", verb)
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
	if h.stop != nil {
		h.stop()
	}
	return in.Err()
}

func (h *host) startProfile(path string) (err error) {
	if h.profile, err = os.Create(path); err != nil {
		return fmt.Errorf("host: profile: %w", err)
	}
	return pprof.StartCPUProfile(h.profile)
}

func heapProfile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("host: profile: %w", err)
	}
	defer f.Close()
	return pprof.Lookup("heap").WriteTo(f, 0)
}

func (h *host) mark() (Report, error) {
	cpu, err := proc.CPU()
	if err != nil {
		return Report{}, err
	}
	rss, err := proc.RSS()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.mu.Lock()
	defer h.mu.Unlock()
	return Report{
		CPU: cpu, Wall: time.Since(h.start), RSS: rss, Heap: int64(m.HeapAlloc), Stacks: int64(m.StackInuse),
		Goroutines: runtime.NumGoroutine(), Clients: len(h.clients),
	}, err
}

// play writes a tape and starts it at every client.
func (h *host) play(ctx context.Context, p Play) error {
	ctx, cancel := context.WithCancel(ctx)
	begin := houseclock.MonotonicMicros() + startLead.Microseconds()
	done := make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(done)
		h.feed(ctx, p, begin, ready)
	}()
	h.stop = func() { cancel(); <-done }
	<-ready
	cmd := &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamStart{StreamStart: &tuttiv1.StreamStart{
		RenditionId: p.Codec, Format: &tuttiv1.AudioFormat{Codec: p.Codec, SampleRate: 48000, Channels: 2, BitDepth: 16},
		Epoch: 1, NotBeforeUs: begin, CodecHeader: codecHeader(p.Codec),
	}}}
	h.mu.Lock()
	clients := append([]string(nil), h.clients...)
	h.mu.Unlock()
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(64)
	for _, id := range clients {
		eg.Go(func() error {
			var reply tuttiv1.SessionReply
			if err := h.bus.Request(ctx, subject.Session(id), cmd, &reply); err != nil {
				return fmt.Errorf("host: start stream: %w", err)
			}
			return nil
		})
	}
	return eg.Wait()
}

// codecHeader is what stream/start carries; nobody here decodes.
func codecHeader(codec string) []byte {
	if codec == "pcm" {
		return nil
	}
	return append([]byte("fLaC"), make([]byte, 38)...)
}

// feed keeps the tape ahead of the present.
func (h *host) feed(ctx context.Context, p Play, begin int64, ready chan<- struct{}) {
	data := make([]byte, p.Bytes)
	_, _ = rand.Read(data)
	chunk := &tape.Chunk{
		Epoch: 1, TimestampUS: begin, DurationUS: uint32(p.Period.Microseconds()),
		Frames: uint32(p.Period * 48 / time.Millisecond), Data: data,
	}
	var buf []byte
	for ctx.Err() == nil {
		for chunk.TimestampUS < houseclock.MonotonicMicros()+ahead.Microseconds() {
			buf = tape.Append(buf[:0], chunk)
			if err := h.bus.PublishRaw(ctx, subject.Tape(group, p.Codec), append([]byte(nil), buf...)); err != nil {
				if ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "host: write tape:", err)
				}
				return
			}
			chunk.TimestampUS += p.Period.Microseconds()
		}
		if ready != nil {
			close(ready)
			ready = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(p.Period):
		}
	}
}
