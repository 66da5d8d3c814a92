package bus

import "github.com/nats-io/nats.go/jetstream"

// Pretend makes followers believe that a node's copies lag when it says so. It is called
// before anything is followed.
func (c *Conn) Pretend(lags func(node string) bool) {
	c.lags = func(_ *jetstream.StreamInfo, node string) bool { return lags(node) }
}

// Lags is lags.
var Lags = lags
