// Package client is the client's side of Sendspin: the core of the protocol and the
// roles player, controller, metadata and color, over both connection directions. A
// program gives it a [Config], calls [Client.Dial] or [Client.Serve], and is told
// what happens through OnEvent and OnChunk. It gets encoded audio with timestamps;
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
// # What is not there yet
//
// Pairing flows: a server that wants to pair is answered with pair/abort
// method_not_supported. Sessions of servers with a record, put there with
// [Store.PutRecord], are paired sessions in every respect. The roles source, artwork
// and visualizer are not implemented.
//
// [render]: https://pkg.go.dev/github.com/tutti-audio/tutti/sendspin/player/render
package client
