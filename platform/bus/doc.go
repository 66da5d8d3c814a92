// Package bus is how the processes of a deployment talk. It is the only package
// that knows NATS.
//
// # What travels how
//
//   - Requests (Request, Handle, HandleExclusive): protobuf in, protobuf or a
//     coded error (package fault) out. A request without a deadline gets
//     RequestTimeout. It carries its expiry, and a receiver that reaches it later
//     skips it: nobody waits for the answer. Delivery is at most once.
//   - Core messages (Publish, Subscribe; PublishBytes, SubscribeBytes): at most once,
//     to who listens now.
//   - Events (PublishEvent) and raw chunks (PublishRaw): to a JetStream stream,
//     heard through Consume in order and without gaps.
//   - State (Bucket): last value per key, with revisions; Watch delivers every
//     key's present value and then every change, and repairs itself after an
//     outage by comparing, so a change can be merged with the next but the last
//     state always arrives.
//
// Every message but plain bytes carries a trace id in the header Tutti-Trace-Id: the one
// of the context, or a new one.
//
// # When the bus is away
//
// The connection is tried again for ever, with jitter; each change of state is
// one log line. Nothing is buffered while it is away: Publish fails with
// fault.Unavailable at once; requests and JetStream operations wait for the
// connection within their deadline. After a reconnect, streams and buckets that
// this process asked for are made again if the server lost them (memory storage),
// then consumers and watchers go on where they were.
//
// # A cluster
//
// Config.URL may name several nodes, and Config.Replicas how many of them keep each
// stream, bucket and store. While a node is away its connections move to another, and
// what it led is led by another: at once when it was stopped in order, after 4 to 9 s
// when it died. Writes and reads of streams and buckets wait for that within their
// deadline (15 s when the context has none) and are made once, however often they are
// sent; requests that may be repeated (RequestAgain) are. Reads go to the leader, so they
// see what was acknowledged before; a watch calls initialDone only when the replica that
// it reads has caught up.
//
// # Embedded
//
// With Config.Embedded the NATS server runs in this process, without a socket. Its
// file storage writes each message to the kernel before it acknowledges, so a
// kill -9 loses nothing that was acknowledged; it syncs to disk every second, so
// a power failure loses at most about a second.
package bus
