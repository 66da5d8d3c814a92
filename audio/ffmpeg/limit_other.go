//go:build !linux

package ffmpeg

// limit does nothing where a process cannot be bounded from outside: ffmpeg's own bound
// of one allocation stays.
func limit(int, uint64) {}
