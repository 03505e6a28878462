//go:build !linux

package ssptest

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
