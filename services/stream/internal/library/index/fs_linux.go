package index

import (
	"slices"

	"golang.org/x/sys/unix"
)

// remoteFS reports whether dir is on a file system whose server does not tell changes:
// NFS, SMB of both kinds, FUSE, 9P, Ceph.
func remoteFS(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	return slices.Contains([]uint32{0x6969, 0x517B, 0xFF534D42, 0xFE534D42, 0x65735546, 0x01021997, 0x00C36400}, uint32(st.Type))
}
