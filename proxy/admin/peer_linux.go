package admin

import (
	"fmt"
	"net"
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
	return fmt.Sprintf("uid %d", cred.Uid)
}
