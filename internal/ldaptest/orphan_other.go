//go:build !linux

package ldaptest

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
