// Package stream is the service that owns groups, queues, tapes and the house clock.
//
// One Service is one instance; any number of them may run on one bus. Three kinds of
// work are spread over the instances by leases (platform/lease):
//
//   - the director (lease "director"): which groups exist and who is in them
//   - one actor per group (lease "group.<id>"): queue, playback, the players' streams
//   - the leader of the house clock (package houseclock)
//
// A group that plays has a pipeline: a feed that decodes ahead, and one rendition per
// format that its players want, encoded once and published as a tape (proto/tape).
// What must outlive an instance stands in the KV bucket "groups" and on the tape
// itself, so another instance carries on where the last chunk ends.
package stream
