//lint:file-ignore SA1019 nhooyr.io/websocket is chosen at this version: its successor has the same API, and package channel alone uses it.

package channel

import (
	"context"
	"fmt"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// The ways to send one audio chunk, over loopback with a reader that only drains.
// "library" is what the WebSocket library itself would cost for the same bytes.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{3840, 11520, 19200} {
		for _, suite := range suites {
			for _, serverDials := range []bool{false, true} {
				p := newParties(b)
				p.client.Suite = suite
				st, ct := listen(b, Options{}).dial(b, Options{})
				if serverDials {
					st, ct = ct, st
				}
				s, _ := p.open(b, st, ct)
				drain(b, ct)
				ctx, body := context.Background(), make([]byte, size)
				plain := append(make([]byte, wire.AudioHeaderLen), body...)
				stamp := func(h []byte) { wire.PutAudioHeader(h, 1, 2) }
				run := func(how string, f func() error) {
					b.Run(fmt.Sprintf("%s/%s/%d/dialled=%v", how, suite[6:9], size, serverDials), func(b *testing.B) {
						b.ReportAllocs()
						for b.Loop() {
							if err := f(); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
				run("plain", func() error { return s.WritePlain(ctx, plain) })
				run("chunk", func() error { return s.WriteChunk(ctx, wire.AudioHeaderLen, stamp, body) })
				ws := st.(*webSocket).ws
				st.(*webSocket).sock.framed.Store(false) // lets the library's frames pass
				run("library", func() error {
					sealed, err := s.send.Seal(make([]byte, 0, size+64), plain)
					if err != nil {
						return err
					}
					return ws.Write(ctx, 2, sealed)
				})
			}
		}
	}
}
