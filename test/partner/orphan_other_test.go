//go:build !linux

package partner

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
