// Package noisebench measures the server's share of the secured channel without a
// client beside it: handshakes per second and core, and sealing.
package noisebench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Handshakes is the number of full server-side openings (client/init parsed, PSK
// given, server/init and Noise message 1 made, message 2 verified, transport keys
// ready) that one core does in a second. Sockets are not part of it. With fallback,
// message 2 is under the Sentinel, the dearest case: it is verified twice.
//
// The client's messages are prepared once and played back, which the server's fixed
// random source makes possible; so only the server's work is on the processor.
func Handshakes(suite noise.Suite, fallback bool, d time.Duration) (perSecond float64, err error) {
	tape, cfg, err := record(suite, fallback)
	if err != nil {
		return 0, err
	}
	runtime.GC()
	before, err := proc.CPU()
	if err != nil {
		return 0, err
	}
	n := 0
	for start := time.Now(); time.Since(start) < d; n++ {
		cfg.Rand = bytes.NewReader(ephemeral())
		conn, err := channel.OpenServer(context.Background(), &playback{in: tape}, cfg)
		if err != nil {
			return 0, fmt.Errorf("noisebench: open: %w", err)
		}
		if conn.Mismatch() != fallback {
			return 0, fmt.Errorf("noisebench: mismatch is %v", conn.Mismatch())
		}
	}
	after, err := proc.CPU()
	if err != nil {
		return 0, err
	}
	return float64(n) / (after - before).Seconds(), nil
}

// ephemeral is the server's random source of a measurement.
func ephemeral() []byte { return bytes.Repeat([]byte{7}, 32) }

// record plays a client once and keeps what it sent.
func record(suite noise.Suite, fallback bool) (tape [][]byte, cfg channel.ServerConfig, err error) {
	server, err := noise.GenerateKey(nil)
	if err != nil {
		return nil, cfg, err
	}
	client, err := noise.GenerateKey(nil)
	if err != nil {
		return nil, cfg, err
	}
	psk, err := noise.GeneratePSK(nil)
	if err != nil {
		return nil, cfg, err
	}
	cfg = channel.ServerConfig{
		Identity: server, Rand: bytes.NewReader(ephemeral()),
		Credential: func(context.Context, string) (channel.Credential, error) {
			return channel.Credential{PSK: psk, Category: noise.LongTerm}, nil
		},
	}
	codec := wire.Current()
	init, err := codec.Encode(&wire.ClientInit{ClientID: client.Public().ID(), Version: wire.Version, Suite: string(suite)})
	if err != nil {
		return nil, cfg, err
	}
	// The server stops for want of message 2; its two messages are then known.
	first := &playback{in: [][]byte{init}}
	_, _ = channel.OpenServer(context.Background(), first, cfg)
	if len(first.out) != 2 {
		return nil, cfg, fmt.Errorf("noisebench: server sent %d messages, want 2", len(first.out))
	}
	m, err := codec.DecodeFromServer(first.out[1])
	if err != nil {
		return nil, cfg, err
	}
	msg2, _, err := noise.Respond(noise.Config{
		Suite: suite, Static: client, Peer: server.Public(),
		Prologue: append(bytes.Clone(init), first.out[0]...), SentinelFallback: true,
	}, func(string, noise.Category) (noise.PSK, bool, error) { return psk, !fallback, nil }, m.(*wire.NoiseHandshake).Data)
	if err != nil {
		return nil, cfg, err
	}
	answer, err := codec.Encode(&wire.NoiseHandshake{Data: msg2})
	return [][]byte{init, answer}, cfg, err
}

// playback is a transport whose peer says the same every time.
type playback struct {
	in, out [][]byte
	next    int
}

func (p *playback) Read(context.Context) (bool, []byte, error) {
	if p.next == len(p.in) {
		return false, nil, io.EOF
	}
	p.next++
	return true, p.in[p.next-1], nil
}

func (p *playback) Write(_ context.Context, _ bool, data []byte) error {
	p.out = append(p.out, bytes.Clone(data))
	return nil
}

func (p *playback) Ping(context.Context) error { return nil }
func (p *playback) Close(int, string) error    { return nil }
func (p *playback) CloseNow() error            { return nil }
