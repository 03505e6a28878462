package main

import "syscall"

// endWithParent makes the kernel end a child when this process dies, even by
// kill -9, so that no server stays behind.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
