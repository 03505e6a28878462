package admin

import (
	"fmt"
	"net"
	"os/user"
	"strconv"
	"syscall"
)

// peer asks the kernel whose process is at the other end (SO_PEERCRED, unix(7)).
func peer(c net.Conn) string {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return "unknown"
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return "unknown"
	}
	var cred *syscall.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); e != nil || err != nil {
		return "unknown"
	}
	return named(cred.Uid)
}

// named is a user as people know them, and as they are for good.
func named(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil {
		return "uid " + id
	}
	return fmt.Sprintf("uid %s (%s)", id, u.Username)
}
