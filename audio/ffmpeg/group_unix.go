//go:build unix

package ffmpeg

import "syscall"

// ownGroup makes a child the leader of a process group, so that all of it can be ended.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a group; one that is gone is no error.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
