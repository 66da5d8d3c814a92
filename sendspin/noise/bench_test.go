package noise

import (
	"fmt"
	"testing"
)

// BenchmarkServerHandshake is the server's share of one handshake: start,
// message 1, message 2. The client's part is not timed.
func BenchmarkServerHandshake(b *testing.B) {
	for _, suite := range suites {
		b.Run(string(suite), func(b *testing.B) {
			p := newPair(b, suite)
			cred, lookup := Credential{p.psk, LongTerm}, holding(p.psk, LongTerm)
			b.ReportAllocs()
			for b.Loop() {
				ini, msg1, err := NewInitiator(p.server, cred)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				msg2, _, err := Respond(p.client, lookup, msg1)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := ini.Finish(msg2); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, suite := range suites {
		for _, size := range []int{3840, 19200} {
			b.Run(fmt.Sprintf("%s/%d", suite, size), func(b *testing.B) {
				s, _ := sessions(b, suite)
				plain, buf := make([]byte, size), make([]byte, 0, MaxMessage)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Seal(buf, plain); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
