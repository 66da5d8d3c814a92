package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	// askEvery is the pause between two questions of a gateway's clock.
	askEvery = 10 * time.Millisecond
	// askWindow is how long answers are put together: the clock's error moves by some
	// µs in it, and one of the answers will have had a quick way.
	askWindow = 500 * time.Millisecond
)

// askClock is a process on a gateway's own host. It asks the gateway for the time, as
// every device does (client/time), and bounds what the gateway's clock is off from the kernel's,
// which all processes of this test share: the gateway received the question after it was sent and
// answered before the answer came. Of each window it prints the kernel's time and the
// narrowest bounds, all in µs; it ends with its standard input.
func askClock(args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		}
		cancel()
	}()
	for {
		err := askConnected(ctx, args[0])
		if ctx.Err() != nil {
			return nil
		}
		fmt.Printf("lost %v\n", err)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// askConnected asks over one connection.
func askConnected(ctx context.Context, url string) error {
	opening, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	t, err := channel.Dial(opening, url, channel.Options{})
	if err != nil {
		return err
	}
	key, err := noise.GenerateKey(nil)
	if err != nil {
		return err
	}
	conn, err := channel.OpenClient(opening, t, channel.ClientConfig{Identity: key, Suite: noise.ChaChaPoly})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	codec := wire.Current()
	hello, err := codec.Encode(&wire.ClientHello{Name: "Clock probe", SupportedRoles: []string{wire.RoleMetadataV1},
		PairMethods: wire.PairMethods{PSK: &wire.SecretMethod{}}, UnpairedAccess: wire.UnpairedAccess{Enabled: true}})
	if err != nil {
		return err
	}
	var greeted atomic.Bool
	lost := make(chan error, 1)
	go func() { lost <- readAnswers(ctx, conn, codec, &greeted) }()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	said := false
	for {
		select {
		case err := <-lost:
			return err
		case <-ctx.Done():
			_ = conn.CloseNow()
			<-lost
			return ctx.Err()
		case <-tick.C:
		}
		switch {
		case !greeted.Load():
			continue
		case !said:
			said = true
			err = conn.WriteJSON(ctx, hello)
		default:
			err = conn.WriteStamped(ctx, func(dst []byte) []byte {
				body, _ := codec.Encode(&wire.ClientTime{ClientTransmitted: nowUS()}) // cannot fail
				return append(append(dst, wire.IDJSON), body...)
			})
		}
		if err != nil {
			return errors.Join(err, <-lost)
		}
	}
}

// readAnswers prints the bounds of every window.
func readAnswers(ctx context.Context, conn *channel.Conn, codec wire.Codec, greeted *atomic.Bool) error {
	lo, hi, until, n := int64(math.MinInt64), int64(math.MaxInt64), int64(0), 0
	for {
		id, payload, err := conn.Read(ctx)
		at := nowUS()
		if err != nil {
			return err
		}
		if id != wire.IDJSON {
			continue
		}
		m, err := codec.DecodeFromServer(payload)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.ServerHello:
			greeted.Store(true)
		case *wire.ServerTime:
			if until == 0 {
				until = at + askWindow.Microseconds()
			}
			lo, hi, n = max(lo, m.ServerTransmitted-at), min(hi, m.ServerReceived-m.ClientTransmitted), n+1
			if at >= until {
				fmt.Printf("clock %d %d %d %d\n", until-askWindow.Microseconds()/2, lo, hi, n)
				lo, hi, until, n = math.MinInt64, math.MaxInt64, 0, 0
			}
		}
	}
}

// Reading is what one window says of a gateway's clock.
type Reading struct {
	At     int64   // the kernel's clock, µs
	Off    float64 // house time minus that, µs: the middle between the bounds
	Unsure float64 // half the distance between them
}

// parseReading takes a line of askClock.
func parseReading(line string) (Reading, bool) {
	var at, lo, hi, n int64
	if k, err := fmt.Sscanf(line, "clock %d %d %d %d", &at, &lo, &hi, &n); err != nil || k != 4 {
		return Reading{}, false
	}
	return Reading{At: at, Off: float64(lo+hi) / 2, Unsure: math.Abs(float64(hi-lo)) / 2}, true
}

// at interpolates a gateway's readings, in order, to a moment of the kernel's clock. ok is false
// where it has none within two windows on both sides.
func at(rs []Reading, moment int64) (Reading, bool) {
	i, _ := slices.BinarySearchFunc(rs, moment, func(r Reading, m int64) int { return int(r.At - m) })
	if i < len(rs) && rs[i].At == moment {
		return rs[i], true
	}
	if i == 0 || i == len(rs) || rs[i].At-rs[i-1].At > 2*askWindow.Microseconds() {
		return Reading{}, false
	}
	a, b := rs[i-1], rs[i]
	f := float64(moment-a.At) / float64(b.At-a.At)
	return Reading{At: moment, Off: a.Off + f*(b.Off-a.Off), Unsure: max(a.Unsure, b.Unsure)}, true
}

// Apart is how far two gateways' answers to one instant are apart.
type Apart struct {
	At     int64
	Error  float64 // µs, without sign
	Unsure float64 // how far the measurement itself may be off, µs
}

// compare puts every pair of gateways beside each other.
func compare(all map[string][]Reading) []Apart {
	var out []Apart
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, a := range names {
		for _, b := range names[i+1:] {
			for _, r := range all[a] {
				if s, ok := at(all[b], r.At); ok {
					out = append(out, Apart{At: r.At, Error: math.Abs(r.Off - s.Off), Unsure: r.Unsure + s.Unsure})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b Apart) int { return int(a.At - b.At) })
	return out
}

// steps are the changes of a gateway's clock from one window to the next beyond the
// course that it takes anyway: the largest, in µs.
func steps(rs []Reading) float64 {
	worst := 0.0
	for i := 2; i < len(rs); i++ {
		dt := float64(rs[i].At-rs[i-1].At) / 1e6
		rate := (rs[i-1].Off - rs[i-2].Off) / (float64(rs[i-1].At-rs[i-2].At) / 1e6)
		if dt > 2*askWindow.Seconds() {
			continue // the gateway did not answer for a while
		}
		worst = max(worst, math.Abs(rs[i].Off-rs[i-1].Off-rate*dt))
	}
	return worst
}

// quantile of what f says of each.
func quantile[T any](all []T, q float64, f func(T) float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	v := make([]float64, len(all))
	for i, x := range all {
		v[i] = f(x)
	}
	slices.Sort(v)
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
