//go:build !opus || !cgo

package decode

// opusBuilt: this build has an Opus decoder.
const opusBuilt = false
