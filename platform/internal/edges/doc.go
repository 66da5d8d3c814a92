// Package edges holds the test of who may import whom in this repository. The
// rules are the architecture: services meet only on the bus, the protocol library
// stands alone, and one package knows NATS.
package edges
