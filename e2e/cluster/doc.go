// Package cluster tests a deployment of several machines: network namespaces are the
// hosts, each with its own processes, joined by links with latency, jitter and loss. A
// fleet of virtual players listens while instances are killed, paused and cut off, and
// what each player heard is compared with what it should have heard.
//
// The music says of each of its frames which one it is, so a player's recording tells
// silence, lost and repeated samples apart without a reference beside it.
//
// TestCluster is the whole of it and writes docs/failover.md when TUTTI_FAILOVER_REPORT
// names the file; without that it is the short form that every test run includes.
package cluster
