package ldaptest

import "syscall"

// endWithParent makes a server end with a test that was killed.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
