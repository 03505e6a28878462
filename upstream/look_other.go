//go:build !unix

package upstream

// canLook says whether nothingToRead can tell.
const canLook = false

func nothingToRead(uintptr) bool { return false }
