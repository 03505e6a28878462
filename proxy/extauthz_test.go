package proxy

import (
	"strings"
	"testing"
)

// FuzzReadCheck: whatever comes, it is read or refused, and what is read can be asked.
func FuzzReadCheck(f *testing.F) {
	http := appendText(appendText(appendText(nil, 2, "GET"), 4, "/ward?x=1"), 5, "app.test")
	http = appendMessage(http, 3, appendText(appendText(nil, 1, "cookie"), 2, "a=b"))
	http = appendMessage(http, 13, appendMessage(nil, 1, appendText(appendText(nil, 1, "accept"), 3, "text/html")))
	source := appendMessage(nil, 1, appendMessage(nil, 1, appendText(nil, 2, "192.0.2.7")))
	whole := appendMessage(nil, 1, appendMessage(appendMessage(nil, 1, source), 4, appendMessage(nil, 2, http)))
	c, err := readCheck(whole)
	if err != nil || c.method != "GET" || c.path != "/ward?x=1" || c.host != "app.test" || c.source != "192.0.2.7" || c.headers["cookie"][0] != "a=b" || c.headers["accept"][0] != "text/html" {
		f.Fatalf("%+v, %v", c, err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, message []byte) {
		c, err := readCheck(message)
		if err != nil {
			return
		}
		for name := range c.headers {
			if strings.HasPrefix(name, ":") {
				t.Errorf("%q is kept as a header", name)
			}
		}
	})
}

func TestFoldedNames(t *testing.T) {
	for _, name := range []string{"X-Forwarded-User", "x_forwarded_user", "X.Forwarded.User", "x-Forwarded~user"} {
		if got := foldedName(name); got != "x_forwarded_user" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
