package ffmpeg

import "golang.org/x/sys/unix"

// limit bounds a process that has just been started: its data, no files written, no
// cores, few descriptors. It fails only when the process has ended already.
func limit(pid int, memory uint64) {
	for what, n := range map[int]uint64{unix.RLIMIT_DATA: memory, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: 64} {
		_ = unix.Prlimit(pid, what, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
}
