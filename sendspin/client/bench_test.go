package client

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// BenchmarkChunk is the way of a 20 ms PCM chunk through the client, the server's
// sealing and the pipe included.
func BenchmarkChunk(b *testing.B) {
	for name, strict := range map[string]bool{"plain": false, "strict": true} {
		b.Run(name, func(b *testing.B) {
			got := make(chan struct{}, 1)
			var n int
			c, err := New(Config{
				Name: "bench", UnpairedAccess: true, Formats: testFormats(), BufferCapacity: 1 << 30, Strict: strict,
				OnChunk: func(Chunk) {
					if n++; n == b.N {
						got <- struct{}{}
					}
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			x, y := sendspintest.Pipe()
			var wg sync.WaitGroup
			wg.Go(func() { _ = c.Run(ctx, x) })
			defer func() { cancel(); wg.Wait() }()
			srv := sendspintest.NewServer(b, y, sendspintest.ServerOptions{})
			srv.Greet()
			srv.Activate(nil, wire.RolePlayerV1)
			sendspintest.Expect[*wire.ClientState](srv)
			srv.Send(&wire.StreamStart{ServerTransmitted: srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
			at := srv.Now() + 1_000_000
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				srv.SendAudio(at+int64(i)*20_000, pcm20)
			}
			<-got
			b.StopTimer()
		})
	}
}

// BenchmarkIdleClient reports the memory of a connected client with its end of the
// channel, stacks included. The server's end lives in the same process and counts too.
func BenchmarkIdleClient(b *testing.B) {
	const clients = 50
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range clients {
			c, err := New(Config{Name: "idle", UnpairedAccess: true, Formats: testFormats(), BufferCapacity: 1 << 20})
			if err != nil {
				b.Fatal(err)
			}
			x, y := sendspintest.Pipe()
			wg.Go(func() { _ = c.Run(ctx, x) })
			srv := sendspintest.NewServer(b, y, sendspintest.ServerOptions{})
			srv.Greet()
			srv.Activate(nil, wire.RolePlayerV1)
			sendspintest.Expect[*wire.ClientState](srv)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/clients, "B/pair")
		cancel()
		wg.Wait()
	}
}
