//go:build !unix

package database

import "os"

// Lock opens a file beside path; this system has no lock that ends with the
// process, so two processes on one file are not kept apart.
func Lock(path string) (*os.File, error) {
	if err := prepare(path); err != nil {
		return nil, err
	}
	return os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
}
