package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A player in thirty lines: it keeps its identity in a file, stays connected to a
// server and prints when each piece of audio is due.
func Example() {
	store, err := client.OpenStore("player.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	var c *client.Client
	c, err = client.New(client.Config{
		Name:           "Kitchen",
		Store:          store,
		UnpairedAccess: true,
		Formats:        []wire.AudioFormat{{Codec: wire.CodecPCM, Channels: 2, SampleRate: 48000, BitDepth: 16}},
		BufferCapacity: 1 << 20,
		MinBufferMS:    200,
		OnEvent:        func(e client.Event) { fmt.Printf("%T %+v\n", e, e) },
		OnChunk: func(ch client.Chunk) {
			fmt.Printf("%d bytes of %s, due in %d ms\n", len(ch.Data), ch.Format, (ch.PlayAt-c.Now())/1000)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println(c.Dial(ctx, "ws://localhost:8927/sendspin"))
}
