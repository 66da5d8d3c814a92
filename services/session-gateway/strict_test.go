package gateway

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The strict client of the library plays through many rotations, on a paired and on an
// unpaired session: every sample of the timeline arrives once, in time, and the referee
// has nothing to say.
func TestStrictClientPlaysThroughRotations(t *testing.T) {
	for name, isPaired := range map[string]bool{"paired": true, "unpaired": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rotating(70*time.Millisecond))
			identity, err := noise.GenerateKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			store, err := client.NewStore(identity)
			if err != nil {
				t.Fatal(err)
			}
			id := identity.Public().ID()
			if isPaired {
				psk, _ := noise.GeneratePSK(nil)
				if err := store.PutRecord(r.pairing.key.Public().ID(), psk); err != nil {
					t.Fatal(err)
				}
				r.pairing.mu.Lock()
				r.pairing.psk[id] = psk
				r.pairing.of[id] = &tuttiv1.AdmitResponse{State: paired, AllowedFamilies: allFamilies}
				r.pairing.mu.Unlock()
			}
			var mu sync.Mutex
			var stamps []int64
			var late, violations []string
			c, err := client.New(client.Config{
				Name: "strict", Store: store, UnpairedAccess: !isPaired, Strict: true,
				Formats:        []wire.AudioFormat{{Codec: "pcm", Channels: 1, SampleRate: rate, BitDepth: 16}},
				BufferCapacity: 40 * (chunkLen + wire.AudioHeaderLen), RequiredLeadMS: 300, MinBufferMS: 200,
				OnEvent: func(e client.Event) {
					if v, ok := e.(client.Violation); ok {
						mu.Lock()
						violations = append(violations, v.String())
						mu.Unlock()
					}
				},
				OnChunk: func(k client.Chunk) {
					mu.Lock()
					defer mu.Unlock()
					stamps = append(stamps, k.Timestamp)
					if r.house.NowMicros() > k.Timestamp {
						late = append(late, fmt.Sprint(k.Timestamp))
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = c.Connect(ctx, r.url()) }()
			defer func() { cancel(); <-done }()
			r.waitPresence(id, func(p *tuttiv1.ClientPresence) string {
				if p.GetPlayer() == nil || !p.GetAvailable() {
					return p.String()
				}
				return ""
			})
			begin := r.shortly()
			rec := r.recorder("g1", "a", 1, begin)
			rec.write(20)
			r.mustCommand(id, startCmd("g1", "a", 1, begin))
			const chunks = 60
			for n := 20; n < chunks; n += 10 {
				rec.write(10)
			}
			eventually(t, func() string {
				mu.Lock()
				defer mu.Unlock()
				if len(stamps) < chunks {
					return fmt.Sprintf("%d of %d chunks", len(stamps), chunks)
				}
				return ""
			})
			mu.Lock()
			defer mu.Unlock()
			for i, ts := range stamps {
				if ts != begin+int64(i)*chunkUS {
					t.Fatalf("chunk %d is at %d, want %d", i, ts, begin+int64(i)*chunkUS)
				}
			}
			if len(violations) > 0 || len(late) > 0 {
				t.Errorf("violations %v, late %v", violations, late)
			}
			category := "sn"
			if isPaired {
				category = "lt"
			}
			if n := metricOf(t, r, "tutti_gateway_rehandshakes_total", category); n < 5 {
				t.Errorf("%v rotations", n)
			}
		})
	}
}

// metricOf is the value of a counter with one label.
func metricOf(t *testing.T, r *rig, name, label string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
