// Package soak runs more than forty virtual devices of every role against the real
// binary, in real time: they join, leave, move, vanish and return, change formats,
// volumes and availability, while operators and wall controllers seek and skip. The
// strict client judges every message, and every decoded sample is compared with the
// music's own.
//
// `make test` runs a short form; SOAK=20m make soak as long as one likes.
package soak
