//go:build !linux

package world

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
