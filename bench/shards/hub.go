// Package shards measures many sessions spread over several gateways: a bus, gateways
// that share the devices between them, and a process of virtual devices, all of them
// processes of their own on loopback. Pairing and stream are played by the bench.
package shards

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sync/errgroup"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/proto/tape"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

// RoleHub is the command line argument of the process with the bus, pairing and stream.
const RoleHub = "shards-hub"

const (
	// groupSize is how many players are in one group, and playingOf is how many groups
	// there are for each one that plays.
	groupSize = 25
	playingOf = 10
	// chunkBytes of chunkEvery are a quiet stream: what is measured is the bus and not
	// the network to the players.
	chunkBytes = 512
	chunkEvery = 100 * time.Millisecond
	tapeAhead  = 6 * time.Second
)

// Traffic is what the bus has carried so far.
type Traffic struct {
	Messages, Bytes int64 // in and out
	Clients         int   // that pairing has admitted
	Groups, Players int   // that play
	Memory          int64 // resident, bytes
}

type hub struct {
	srv *server.Server
	bus *bus.Conn

	mu      sync.Mutex
	clients map[string]bool
	groups  int
	players int
	stops   []func()
}

// HubMain runs the hub until standard input ends. It prints the bus's address first.
func HubMain() error {
	dir, err := os.MkdirTemp("", "tutti-shards-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	srv, err := server.NewServer(&server.Options{
		ServerName: "shards", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return fmt.Errorf("shards: bus: %w", err)
	}
	srv.Start()
	defer func() { srv.Shutdown(); srv.WaitForShutdown() }()
	if !srv.ReadyForConnections(30 * time.Second) {
		return errors.New("shards: the bus does not come up")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: srv.ClientURL(), Name: "hub", Log: quiet()})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.Background()) }()
	h := &hub{srv: srv, bus: b, clients: map[string]bool{}}
	if err := h.pairing(); err != nil {
		return err
	}
	if err := b.EnsureStream(ctx, bus.StreamConfig{
		Name: subject.StreamTape, Subjects: []string{subject.TapeAll}, Memory: true, MaxAge: 20 * time.Second,
	}); err != nil {
		return err
	}
	fmt.Println(srv.ClientURL())
	defer func() {
		for _, stop := range h.stops {
			stop()
		}
	}()
	return answer(func(verb, rest string) (any, error) {
		switch verb {
		case "mark":
			return h.mark()
		case "sight":
			return "ok", h.sight(ctx, rest)
		case "play":
			return h.play(ctx)
		}
		return nil, fmt.Errorf("shards: unknown question %q", verb)
	})
}

// pairing answers for the pairing service: everybody is approved.
func (h *hub) pairing() error {
	key, err := noise.GenerateKey(nil)
	if err != nil {
		return err
	}
	svc, err := h.bus.NewService("pairing", "0.0.1", "bench")
	if err != nil {
		return err
	}
	return errors.Join(
		bus.Handle(svc, subject.PairingIdentity, func(_ context.Context, r *tuttiv1.IdentityRequest) (*tuttiv1.IdentityResponse, error) {
			pub := [32]byte(r.GetRecipientKey())
			sealed, err := box.SealAnonymous(nil, key.Bytes(), &pub, rand.Reader)
			return &tuttiv1.IdentityResponse{ServerId: key.Public().ID(), SealedPrivateKey: sealed}, err
		}),
		bus.Handle(svc, subject.PairingCredential, func(context.Context, *tuttiv1.CredentialRequest) (*tuttiv1.CredentialResponse, error) {
			return &tuttiv1.CredentialResponse{Category: string(noise.Sentinel)}, nil
		}),
		bus.Handle(svc, subject.PairingReport, func(context.Context, *tuttiv1.SessionReport) (*tuttiv1.Empty, error) {
			return &tuttiv1.Empty{}, nil
		}),
		bus.Handle(svc, subject.PairingAdmit, func(_ context.Context, r *tuttiv1.AdmitRequest) (*tuttiv1.AdmitResponse, error) {
			h.mu.Lock()
			h.clients[r.GetClientId()] = true
			h.mu.Unlock()
			return &tuttiv1.AdmitResponse{State: tuttiv1.TrustState_TRUST_STATE_APPROVED, AllowedFamilies: []string{"player"}}, nil
		}))
}

func (h *hub) mark() (Traffic, error) {
	v, err := h.srv.Varz(nil)
	if err != nil {
		return Traffic{}, fmt.Errorf("shards: ask the bus: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return Traffic{
		Messages: v.InMsgs + v.OutMsgs, Bytes: v.InBytes + v.OutBytes,
		Clients: len(h.clients), Groups: h.groups, Players: h.players, Memory: v.Mem,
	}, nil
}

// sight writes the sightings of devices, as discovery does after a power cut: all at once.
func (h *hub) sight(ctx context.Context, rest string) error {
	flags := flag.NewFlagSet("sight", flag.ContinueOnError)
	addr, n := flags.String("addr", "", ""), flags.Int("devices", 0, "")
	if err := flags.Parse(strings.Fields(rest)); err != nil {
		return err
	}
	b, err := bus.OpenBucket[tuttiv1.Sighting](ctx, h.bus, subject.BucketSightings, bus.BucketOptions{})
	if err != nil {
		return err
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(64)
	for i := range *n {
		eg.Go(func() error {
			s := &tuttiv1.Sighting{Key: fmt.Sprintf("static/%d", i), Url: fmt.Sprintf("ws://%s/device/%d", *addr, i), Present: true, Appearances: 1}
			_, err := b.Put(ctx, s.GetKey(), s)
			return err
		})
	}
	return eg.Wait()
}

// play makes one group in playingOf play, and answers how many that are.
func (h *hub) play(ctx context.Context) (Traffic, error) {
	h.mu.Lock()
	clients := make([]string, 0, len(h.clients))
	for id := range h.clients {
		clients = append(clients, id)
	}
	h.mu.Unlock()
	slices.Sort(clients)
	var eg errgroup.Group
	eg.SetLimit(64)
	begin := houseclock.MonotonicMicros() + 3_000_000
	for g, members := range slices.Collect(slices.Chunk(clients, groupSize)) {
		if g%playingOf != 0 {
			continue
		}
		group := fmt.Sprintf("g%d", g)
		h.feed(ctx, group, begin)
		for _, id := range members {
			eg.Go(func() error {
				return h.start(ctx, id, group, begin)
			})
		}
		h.mu.Lock()
		h.groups++
		h.players += len(members)
		h.mu.Unlock()
	}
	if err := eg.Wait(); err != nil {
		return Traffic{}, err
	}
	return h.mark()
}

// start starts a player's stream. A session may not have heard yet what its player reports.
func (h *hub) start(ctx context.Context, id, group string, begin int64) error {
	for try := 0; ; try++ {
		var reply tuttiv1.SessionReply
		err := h.bus.Request(ctx, subject.Session(id), &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_StreamStart{StreamStart: &tuttiv1.StreamStart{
			RenditionId: "r", Format: &tuttiv1.AudioFormat{Codec: "pcm", SampleRate: 48000, Channels: 2, BitDepth: 16}, Epoch: 1, NotBeforeUs: begin,
		}}}, &reply)
		if err == nil {
			return nil
		}
		if try == 20 {
			return fmt.Errorf("shards: start a stream: %w", err)
		}
		wait(ctx, 500*time.Millisecond)
	}
}

// feed keeps a group's tape ahead of the present.
func (h *hub) feed(ctx context.Context, group string, begin int64) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	h.stops = append(h.stops, func() { cancel(); <-done })
	go func() {
		defer close(done)
		chunk := &tape.Chunk{
			Epoch: 1, TimestampUS: begin, DurationUS: uint32(chunkEvery.Microseconds()),
			Frames: uint32(chunkEvery * 48 / time.Millisecond), Data: make([]byte, chunkBytes),
		}
		for ctx.Err() == nil {
			for chunk.TimestampUS < houseclock.MonotonicMicros()+tapeAhead.Microseconds() {
				if err := h.bus.PublishRaw(ctx, subject.Tape(group, "r"), tape.Append(nil, chunk)); err != nil {
					if ctx.Err() == nil {
						fmt.Fprintln(os.Stderr, "shards: write tape:", err)
					}
					return
				}
				chunk.TimestampUS += chunkEvery.Microseconds()
			}
			select {
			case <-ctx.Done():
			case <-time.After(chunkEvery):
			}
		}
	}()
}

// encode is an answer as a line.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
