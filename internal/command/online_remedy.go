package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// remedyFor says what to do about an error by its kind.
func remedyFor(err error) string {
	if r := certificateRemedy(err); r != "" {
		return r
	}
	var name *net.DNSError
	var record tls.RecordHeaderError
	var waited net.Error
	switch {
	case errors.As(err, &name):
		return "look at the spelling of the name, and whether this machine's DNS server knows it"
	case errors.As(err, &record):
		return "the other side does not speak TLS at this port: look at the scheme and the port"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start it, or look at the port"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to that network from here: look at routes and the firewall"
	case errors.Is(err, syscall.ECONNRESET):
		return "the other side, or a firewall between, ends the connection: look at its log"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &waited) && waited.Timeout():
		return "a firewall between often keeps quiet like this: let this machine connect there; else look at the load over there"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that Foregate runs as read and write there"
	case errors.Is(err, fs.ErrNotExist):
		return "look at the path: nothing is there"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: make room"
	}
	return "look at the log over there, and try the same from this machine by hand"
}

func certificateRemedy(err error) string {
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return "its certificate is for another name: use that name in the address, or have one made for this one"
	case errors.As(err, &unknown):
		return "put the authority that signed its certificate into a PEM file and name that as ca; perhaps the server does not send the intermediates"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate is not valid now: have it renewed, and look at the clocks"
	case errors.As(err, &invalid):
		return "its certificate is not fit for a server: have a new one made"
	}
	return ""
}
