package shards

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/platform/lease"
	gateway "github.com/tutti-audio/tutti/services/session-gateway"
)

// RoleShard is the command line argument of one gateway.
const RoleShard = "shards-gateway"

// leaseTTL is the default of a deployment on several machines.
const leaseTTL = 2 * time.Second

// Usage is what a gateway uses.
type Usage struct {
	CPU time.Duration // so far
	RSS int64         // bytes
}

// ShardMain runs a gateway until standard input ends: -nats, -id. It prints its address first.
func ShardMain(args []string) error {
	flags := flag.NewFlagSet(RoleShard, flag.ContinueOnError)
	url, id := flags.String("nats", "", "the bus"), flags.String("id", "", "the gateway's instance id")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: *url, Name: *id, Log: quiet()})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.Background()) }()
	leases, err := lease.NewManager(b, *id, lease.Options{TTL: leaseTTL})
	if err != nil {
		return err
	}
	defer func() { _ = leases.Close(context.Background()) }()
	svc, err := gateway.New(gateway.Config{InstanceID: *id, Listen: "127.0.0.1:0", Dial: true},
		gateway.Deps{Bus: b, Leases: leases, House: mono{}, Log: quiet()})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	for svc.Ready() != nil {
		select {
		case err := <-done:
			return fmt.Errorf("shards: gateway ended: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	fmt.Println(svc.Addr())
	err = answer(func(verb, _ string) (any, error) {
		if verb != "gc" {
			return nil, fmt.Errorf("shards: unknown question %q", verb)
		}
		for range 4 { // a collection halves stacks that are too large: idle ones see many
			debug.FreeOSMemory()
		}
		cpu, err := proc.CPU()
		if err != nil {
			return nil, err
		}
		rss, err := proc.RSS()
		return Usage{CPU: cpu, RSS: rss}, err
	})
	cancel()
	<-done
	return err
}

// mono is the house clock of one machine, which the devices read as well.
type mono struct{}

func (mono) NowMicros() int64      { return houseclock.MonotonicMicros() }
func (mono) Info() houseclock.Info { return houseclock.Info{Leader: "bench"} }

// quiet is the log of the measured processes: none, because its lines would be part of
// what is measured. TUTTI_BENCH_LOG=1 shows it, to find out why something is slow.
func quiet() *slog.Logger {
	if os.Getenv("TUTTI_BENCH_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// answer answers the questions on standard input until it ends.
func answer(to func(verb, rest string) (any, error)) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, rest, _ := strings.Cut(in.Text(), " ")
		v, err := to(verb, rest)
		if err != nil {
			return err
		}
		line, err := encode(v)
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	return in.Err()
}
