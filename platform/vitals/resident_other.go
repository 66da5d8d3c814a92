//go:build !linux

package vitals

func resident() uint64 { return 0 }
