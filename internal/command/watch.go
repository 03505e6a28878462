package command

import (
	"os"
	"path/filepath"
	"time"

	"foregate/internal/config"
)

// watchEvery is how often the configuration and what it names are looked at.
// Looking works on every file system and in containers, where events of the
// kernel are lost when a mounted volume is exchanged.
const watchEvery = 2 * time.Second

// stamp tells two states of a file apart; the zero stamp is a file that is not there.
type stamp struct {
	changed time.Time
	size    int64
	info    os.FileInfo
}

func stampOf(name string) stamp {
	info, err := os.Stat(name) // through links: Kubernetes exchanges the folder behind one
	if err != nil || !info.Mode().IsRegular() {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size(), info}
}

func (s stamp) same(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info
	}
	return s.changed.Equal(t.changed) && s.size == t.size && os.SameFile(s.info, t.info)
}

// watcher tells when the configuration, or a file that it names, is to be read again.
type watcher struct {
	path    string
	seen    map[string]stamp // as of the last look
	pending bool             // something differed then
}

// watch begins with the state that path has now; it is read after that, so that a
// change while it is read is one.
func watch(path string) *watcher {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &watcher{path: path, seen: map[string]stamp{path: stampOf(path)}}
}

// use takes over what file names. What is not a file (a folder, a socket, a key that
// is made later) is not watched.
func (w *watcher) use(file *config.File) {
	seen := map[string]stamp{w.path: w.seen[w.path]}
	for _, name := range file.Files {
		if before, ok := w.seen[name]; ok {
			seen[name] = before
		} else if s := stampOf(name); s.info != nil {
			seen[name] = s
		}
	}
	w.seen = seen
}

// due reports that something has changed and then been quiet from one look to the
// next: an editor or a mount that is halfway through is waited for. It reports each
// change once, so a broken file is told of once.
func (w *watcher) due() bool {
	differs := false
	for name, before := range w.seen {
		if now := stampOf(name); !now.same(before) {
			w.seen[name], differs = now, true
		}
	}
	due := w.pending && !differs
	w.pending = differs
	return due
}
