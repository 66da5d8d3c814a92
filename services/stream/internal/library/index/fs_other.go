//go:build !linux

package index

// remoteFS cannot be told on this system; a rescan every few hours finds what was missed.
func remoteFS(string) bool { return false }
