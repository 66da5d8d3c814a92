package session

import (
	"context"
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

const (
	// maxForward bounds a client's commands that wait for their group.
	maxForward = 32
	// forwardTimeout bounds one of them.
	forwardTimeout = 5 * time.Second
)

// forward hands commands to the group in their order, one at a time.
func (b *brain) forward(c *tuttiv1.ClientCommand) {
	if len(b.forwards) >= maxForward {
		b.s.log.Warn("client command dropped: its group does not answer")
		return
	}
	b.forwards = append(b.forwards, c)
	b.forwardNext()
}

func (b *brain) forwardNext() {
	if b.forwarding || len(b.forwards) == 0 {
		return
	}
	c := b.forwards[0]
	b.forwards = b.forwards[1:]
	b.forwarding = true
	b.s.spawn(func(ctx context.Context) {
		b.s.forward(ctx, c)
		b.s.tell(ctx, forwarded{})
	})
}
