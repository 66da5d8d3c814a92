// Command tuttibench measures Tutti beside the floor and prints Markdown tables.
// "go run ./bench/cmd/tuttibench -help" lists the parts; "make bench" runs them all.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/bench/floor"
	"github.com/tutti-audio/tutti/bench/host"
	"github.com/tutti-audio/tutti/bench/load"
	"github.com/tutti-audio/tutti/bench/noisebench"
	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/bench/shards"
	"github.com/tutti-audio/tutti/sendspin/noise"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tuttibench:", err)
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	duration time.Duration // of one measurement
	players  int           // of a measurement of cost
	most     int           // players of the search for the most on time
	only     string        // part of the name of the shapes to measure
	profiles string        // folder for profiles of the gateway; "" for none
	sessions int           // most sessions that are spread over several gateways
	images   string        // folder for the plots of that; "" for none
	parts    map[string]bool
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] { // roles of child processes
		case floor.RoleReader:
			return floor.Reader()
		case host.Role:
			return host.Main()
		case load.Role:
			return load.Main(args[1:])
		case shards.RoleHub:
			return shards.HubMain()
		case shards.RoleShard:
			return shards.ShardMain(args[1:])
		case shards.RoleDevices:
			return shards.DevicesMain(args[1:])
		}
	}
	flags := flag.NewFlagSet("tuttibench", flag.ContinueOnError)
	var o options
	parts := flags.String("run", "handshake,floor,memory,time,gateway,largest,group,sessions", "what to measure, separated by commas")
	flags.DurationVar(&o.duration, "duration", 8*time.Second, "how long each measurement lasts")
	flags.IntVar(&o.players, "players", 500, "players in a measurement of cost")
	flags.IntVar(&o.most, "most", 8000, "where the search for the most players on time ends")
	flags.StringVar(&o.only, "only", "", "measure only chunks whose name contains this, such as \"PCM 100\"")
	flags.StringVar(&o.profiles, "profiles", "", "folder for CPU and heap profiles of the gateway")
	flags.IntVar(&o.sessions, "sessions", 5000, "most sessions spread over several gateways")
	flags.StringVar(&o.images, "images", "", "folder for the plots of sessions, such as docs/img")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.parts = map[string]bool{}
	for _, p := range strings.Split(*parts, ",") {
		o.parts[strings.TrimSpace(p)] = true
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	fmt.Printf("Machine: %s. Each measurement lasts %s.\n", proc.Machine(), o.duration)
	for _, part := range []struct {
		name string
		run  func(context.Context, options) error
	}{
		{"handshake", handshakes},
		{"floor", floors},
		{"memory", memory},
		{"time", turnaround},
		{"gateway", gateways},
		{"largest", largest},
		{"group", groups},
		{"sessions", sessions},
	} {
		if o.parts[part.name] {
			if err := part.run(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// shapes are those of all that -only lets through.
func (o options) shapes(all ...floor.Shape) []floor.Shape {
	return slices.DeleteFunc(slices.Clone(all), func(s floor.Shape) bool { return !strings.Contains(s.Name, o.only) })
}

// profile names the file of one profile, "" when none are wanted.
func (o options) profile(words ...string) string {
	if o.profiles == "" {
		return ""
	}
	name := strings.ReplaceAll(strings.Join(words, "-"), " ", "-")
	return filepath.Join(o.profiles, name+".pprof")
}

func handshakes(_ context.Context, o options) error {
	fmt.Print("\n## Handshakes per second and core, server side\n\n| suite | PSK matches | falls back to the Sentinel |\n| --- | --- | --- |\n")
	for _, suite := range []noise.Suite{noise.ChaChaPoly, noise.AESGCM} {
		var n [2]float64
		for i, fallback := range []bool{false, true} {
			var err error
			if n[i], err = noisebench.Handshakes(suite, fallback, min(o.duration, 3*time.Second)); err != nil {
				return err
			}
		}
		fmt.Printf("| %s | %.0f | %.0f |\n", suite, n[0], n[1])
	}
	return nil
}

func floors(ctx context.Context, o options) error {
	ciphers := []string{floor.Plain, floor.ChaCha, floor.GCM}
	fmt.Printf("\n## Floor: cores per 1,000 players (%d players; late rounds in brackets)\n\n| chunk | %s |\n| --- | --- | --- | --- |\n",
		o.players, strings.Join(ciphers, " | "))
	for _, shape := range o.shapes(floor.Shapes()...) {
		fmt.Printf("| %s, %d B |", shape.Name, shape.Bytes)
		for _, c := range ciphers {
			res, err := floor.Run(ctx, floor.Config{Shape: shape, Cipher: c, Players: o.players, Duration: o.duration})
			if err != nil {
				return err
			}
			fmt.Printf(" %.3f", res.CoresPer1000)
			if res.Late > 0 {
				fmt.Printf(" (%.1f %%)", res.Late*100)
			}
			fmt.Print(" |")
		}
		fmt.Println()
	}
	return nil
}
