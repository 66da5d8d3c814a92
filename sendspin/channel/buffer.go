package channel

import (
	"sync"

	"github.com/tutti-audio/tutti/sendspin/noise"
)

// headroom is kept free before a message in a buffer, for the WebSocket header:
// at most 10 bytes and a mask of 4.
const headroom = 14

// Buffers come from pools by size and go back as soon as the message is written or
// processed, so that an idle connection holds none: with thousands of sessions the
// memory follows the messages in progress, not the connections. The sizes fit the
// usual JSON message, an audio chunk of 100 ms, and the largest transport message.
var bufferSizes = [...]int{2 << 10, 24 << 10, headroom + noise.MaxMessage + 1}

// buffer is a pooled array; b has its full length.
type buffer struct {
	b     []byte
	class int
}

// pools are shared by all connections of the process and hold no state but spare
// memory.
var pools = [len(bufferSizes)]sync.Pool{
	{New: func() any { return &buffer{b: make([]byte, bufferSizes[0]), class: 0} }},
	{New: func() any { return &buffer{b: make([]byte, bufferSizes[1]), class: 1} }},
	{New: func() any { return &buffer{b: make([]byte, bufferSizes[2]), class: 2} }},
}

// getBuffer returns a buffer of at least n bytes, n at most the largest size. Its
// content is left over from other messages.
func getBuffer(n int) *buffer {
	for class, size := range bufferSizes {
		if n <= size {
			return pools[class].Get().(*buffer)
		}
	}
	panic("channel: buffer larger than any message")
}

// larger returns the next larger buffer with the first n bytes of b, and frees b.
func (b *buffer) larger(n int) *buffer {
	big := pools[b.class+1].Get().(*buffer)
	copy(big.b, b.b[:n])
	b.free()
	return big
}

// last reports whether no larger buffer exists.
func (b *buffer) last() bool { return b.class == len(bufferSizes)-1 }

// free gives b back; nil is fine.
func (b *buffer) free() {
	if b != nil {
		pools[b.class].Put(b)
	}
}
