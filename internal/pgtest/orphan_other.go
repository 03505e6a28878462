//go:build !linux

package pgtest

import "syscall"

// asOwner is only for Linux; elsewhere tests run as somebody whom PostgreSQL accepts.
func asOwner(_, _ int, _ bool) *syscall.SysProcAttr { return nil }
