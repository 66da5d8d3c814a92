//go:build !opus || !cgo

// Package opus is empty in a build without the tag opus, or without cgo.
package opus
