//go:build !opus || !cgo

package encode

// opusBuilt: this build has an Opus encoder.
const opusBuilt = false
