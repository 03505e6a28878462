package config

import (
	"mime"
	"net/http"
	"os"
	"strconv"
)

// local checks a folder or an answer, which stand in place of an application.
func (c *checker) local(path string, u *Upstream) {
	key := "folder"
	if u.Folder == "" {
		key = "answer"
	}
	for _, other := range []besides{
		{"url", u.URL != nil}, {"answer", u.Answer != nil && key != "answer"}, {"also", len(u.Also) > 0}, {"health", u.Health != nil},
		{"ca", u.CA != ""}, {"server_name", u.ServerName != ""}, {"cert", u.Cert != ""}, {"key", u.Key != ""},
		{"h2c", u.H2C}, {"host", u.Host != ""}, {"basic", u.Basic != nil}, {"max_body_bytes", u.MaxBody > 0},
		{"retry", u.Retry != nil}, c.given(path, "balance"),
		c.given(path, "connect_timeout"), c.given(path, "response_timeout"), c.given(path, "idle_timeout"),
	} {
		if other.given && !c.faulty(join(path, other.key)) {
			c.fault(join(path, other.key), FaultAt{
				Problem: "stands beside " + key + ", where no application is asked", Remedy: "remove one of the two",
			})
			return
		}
	}
	if u.Folder != "" {
		c.folder(join(path, "folder"), string(u.Folder))
		return
	}
	c.answer(join(path, "answer"), u.Answer)
}

// besides is a key, and whether the file has it.
type besides struct {
	key   string
	given bool
}

// given looks for a key with a default, whose value does not tell whether it was written.
func (c *checker) given(path, key string) besides {
	_, written := c.places[join(path, key)]
	return besides{key, written}
}

func (c *checker) folder(path, name string) {
	if c.faulty(path) {
		return
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		c.fault(path, FaultAt{
			Problem: "the folder cannot be opened: " + cause(err), Found: quoted(name),
			Remedy: "make it, or look at its name and at who may read it; a relative name starts at the folder of this file",
		})
		return
	}
	root.Close()
}

func (c *checker) answer(path string, a *Answer) {
	if c.faulty(path) {
		return
	}
	if kind, _, err := mime.ParseMediaType(a.Type); (err != nil || kind == "") && !c.faulty(join(path, "type")) {
		c.fault(join(path, "type"), FaultAt{Problem: "is not a media type", Found: quoted(a.Type), Remedy: "write it as in text/html; charset=utf-8"})
	}
	switch {
	case c.faulty(join(path, "status")):
	case a.Status == http.StatusNotModified:
		c.fault(join(path, "status"), FaultAt{Problem: "is an answer to a condition and not a fixed one", Found: strconv.Itoa(a.Status), Remedy: "write another status"})
	case (a.Status == http.StatusNoContent || a.Status == http.StatusResetContent) && a.Body != "":
		c.fault(join(path, "body"), FaultAt{Problem: "cannot go with status " + strconv.Itoa(a.Status), Remedy: "remove body, or write another status"})
	}
}
