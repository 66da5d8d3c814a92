// Package discovery knows which devices are where. It owns one fact: the bucket of
// sightings.
//
//	network ── zeroconf ──► radio ── record.Parse ──► book ──► sighting (one actor per
//	   per interface        one actor, follows        one actor:      present device)
//	                        interfaces                the list             │
//	requests add, remove, list ──────────────────────►  ▲                  ▼
//	                                                    └── watch ── bucket "sightings"
//
// mDNS is a hint. A device that is not heard any more becomes present=false and
// nothing else: nobody is disconnected, and nothing is removed, except when the list
// is full and the longest absent device makes room. Several instances of the service
// may run: each writes what it hears, and a device is absent when none hears it.
//
// It also advertises this host's session-gateways (bucket "instances") under the
// deployment's name and policy (bucket "settings"), on each interface with that
// interface's addresses.
package discovery
