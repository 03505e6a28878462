package pgtest

import "syscall"

// asOwner makes a program run as uid and gid, and end with a test that was killed.
func asOwner(uid, gid int, change bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if change {
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attr
}
