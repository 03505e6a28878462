//go:build !linux

package admin

import "net"

func peer(net.Conn) string { return "unknown" }
