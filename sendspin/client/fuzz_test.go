package client

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/tutti-audio/tutti/sendspin/sendspintest"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// FuzzServerMessages sends what a hostile server may send after the handshake. The
// client must survive it: it goes on or closes, and its goroutines end.
func FuzzServerMessages(f *testing.F) {
	for _, s := range []string{
		`{"type":"server/command","payload":{"player":{"command":"volume","volume":5}}}`,
		`{"type":"server/command","payload":{"player":{"command":"mute"}}}`,
		`{"type":"stream/start","payload":{"server_transmitted":1,"player":{"codec":"pcm","sample_rate":48000,"channels":2,"bit_depth":16}}}`,
		`{"type":"stream/clear","payload":{"server_transmitted":1}}`,
		`{"type":"server/state","payload":{"metadata":{"timestamp":9223372036854775807,"progress":{"track_progress":1,"track_duration":2,"playback_speed":3}},"color":{"timestamp":-9223372036854775808}}}`,
		`{"type":"server/activate","payload":{"activities":["pairing"],"pairing":{"method":"pairing_psk"}}}`,
		`{"type":"server/activate","payload":{"activities":["pairing","playback"],"pairing":{"method":"dynamic_pairing_code","format":"digits"}}}`,
		`{"type":"server/activate","payload":{"activities":["playback"],"pairing":{"method":"static_pairing_code"}}}`,
		`{"type":"server/pair-init","payload":{"nonce_A":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}}`,
		`{"type":"server/pair-auth","payload":{"pake_msg_1":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}}`,
		`{"type":"server/pair-finalize","payload":{}}`,
		`{"type":"server/state","payload":{"_tutti_persona":{"roster":"1 x"}}}`,
		`{"type":"server/time","payload":{"client_transmitted":-9223372036854775808,"server_received":9223372036854775807,"server_transmitted":0}}`,
		`{"type":"server/unpair","payload":{}}`,
		`{"type":"pair/abort","payload":{"reason":"x"}}`,
	} {
		f.Add(byte(0), []byte(s), byte(4), []byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02abcd"), true)
	}
	f.Add(byte(0), []byte(`{"type":"server/activate","payload":{"activities":["pairing"],"pairing":{"method":"dynamic_pairing_code","format":"digits"}}}`),
		byte(0), []byte(`{"type":"server/pair-init","payload":{"nonce_A":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}}`), true)
	f.Add(byte(4), []byte{}, byte(9), []byte{0}, false)
	start := []byte(`{"type":"stream/start","payload":{"server_transmitted":1,"artwork":{"channels":[{"source":"album","format":"jpeg","width":600,"height":600}]}}}`)
	for _, m := range [][]byte{{2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4}, {2, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, {0, 1, 2}, {1}, {3}} {
		f.Add(byte(0), start, byte(8), m, true)
	}
	f.Add(byte(0), []byte(`{"type":"stream/start","payload":{"server_transmitted":1,"visualizer":{"types":["spectrum","beat"],"rate_max":2,"tracks_downbeats":true,"spectrum":{"n_disp_bins":9007199254740991,"scale":"log","f_min":0,"f_max":0}}}}`),
		byte(19), []byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02"), true)
	fuzzed := append(slices.Clone(allRoles), wire.RoleVisualizerV1, wire.RoleArtworkV1)
	f.Fuzz(func(t *testing.T, id1 byte, msg1 []byte, id2 byte, msg2 []byte, strict bool) {
		dealtWith := make(chan struct{}, 1)
		c, err := New(Config{
			Name: "fuzz", UnpairedAccess: true, Formats: testFormats(), BufferCapacity: 1 << 16, Roles: fuzzed, Strict: strict,
			VisualCapacity: 1 << 10, Visualizer: wantVisual(),
			Pairing:          PairingConfig{DynamicCode: &wire.DynamicMethod{OutChannels: []string{wire.OutSpeaker}, Formats: []string{wire.FormatDigits}}},
			AcceptSuccessors: true, VerifyRoster: verify,
			OnEvent: func(e Event) {
				if g, ok := e.(GroupChanged); ok && g.Group.GroupID == "the end of the script" {
					dealtWith <- struct{}{}
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ours, theirs := sendspintest.Pipe()
		var wg sync.WaitGroup
		ended := make(chan struct{})
		wg.Go(func() { _ = c.Run(ctx, ours); close(ended) })
		defer wg.Wait()
		defer cancel()
		srv := sendspintest.NewServer(t, theirs, sendspintest.ServerOptions{})
		srv.Greet()
		srv.Activate([]string{wire.ActivityPlayback}, append(slices.Clone(fuzzed), RoleSuccessors)...)
		srv.Send(&wire.StreamStart{ServerTransmitted: srv.Now(), Player: &wire.PlayerStream{Format: pcm}})
		for range 2 {
			_ = srv.Conn.WriteMessage(ctx, id1, msg1)
			_ = srv.Conn.WriteMessage(ctx, id2, msg2)
		}
		srv.Send(&wire.GroupUpdate{PlaybackState: wire.PlaybackStopped, GroupID: "the end of the script"})
		select {
		case <-dealtWith:
		case <-ended:
		}
	})
}
