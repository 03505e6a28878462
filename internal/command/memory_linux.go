package command

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// forgetStart lets go of the pages of the program's own code and constants that the start
// has touched: most of them (flags, YAML, migrations, templates) are not needed again, and
// what is comes back from the page cache at its first use. Neither is ever written to, so
// nothing can be lost (madvise(2), MADV_DONTNEED on a private mapping of a file).
func forgetStart() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var from, to uintptr
		var rights, offset, device, inode, name string
		n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %s %s", &from, &to, &rights, &offset, &device, &inode, &name)
		if n == 7 && (rights == "r-xp" || rights == "r--p") && name == exe && from < to {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED) // if it fails, nothing is lost
		}
	}
}
