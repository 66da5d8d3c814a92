// Package client is the client's side of Sendspin: the core of the protocol and the
// roles player, controller, metadata, artwork, color, visualizer and source, over both
// connection directions. A program gives it a [Config], calls [Client.Dial] or [Client.Serve], and is told
// what happens through OnEvent, OnChunk and OnVisual. It gets encoded audio with timestamps;
// decoding and output are its own ([render] has the timing of the output).
//
//	c, err := client.New(client.Config{
//		Name: "Kitchen", UnpairedAccess: true, Formats: formats, BufferCapacity: 1 << 20,
//		OnChunk: func(ch client.Chunk) { … },
//	})
//	err = c.Dial(ctx, "ws://server:8927/sendspin") // connects again until ctx ends
//
// # Goroutines
//
// One goroutine, the core, owns all state; every connection adds one that reads. A
// reader hands each message to the core and waits until it is dealt with, so that
// nothing is copied and the order of messages is the order of what a program is told.
// Audio chunks take a short cut: the reader calls OnChunk itself with what the core
// has published about the stream. Dial, Connect, Serve and Run own these goroutines
// and return when all of them have ended; New starts nothing.
//
// # Pairing
//
// [PairingConfig] says how servers may pair. The client carries the attempts out; a
// program shows what [PairingCode] brings, and passes its operator's gestures on:
// [Client.OpenPairingWindow], [Client.ResetRounds], [Client.CancelPairing]. The record is
// in the [Store] when [Paired] is told; the session is a paired one from [Rekeyed] on.
// Servers without a record may play with [Config.UnpairedAccess].
//
// # Several servers
//
// With [Client.Serve] servers compete by the rules of section Multiple servers. One has
// the client; while it plays, one other may pair beside it. That one is told that the
// client is not available, and a program hears nothing of what it plays or shows until
// the place is its own. Events that name a ServerID are told for every connection.
//
// # Capturing
//
// A source streams when its server asks for it and at no other time. [CaptureRequested]
// allows one [Client.OpenCapture]; the program then feeds whole codec units with the
// client's time of their capture to [Capture.Write], until [CaptureStopped]. Order,
// timestamps in the server's time, and the rules about when to be silent are the
// client's business.
//
// [render]: https://pkg.go.dev/github.com/tutti-audio/tutti/sendspin/player/render
package client
