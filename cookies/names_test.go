package cookies

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindTakesExactlyTheOneName(t *testing.T) {
	const name = "__Host-foregate"
	for header, want := range map[string]struct {
		value string
		n     int
	}{
		"":                                  {"", 0},
		"__Host-foregate=v":                 {"v", 1},
		"a=1; __Host-foregate=v; b=2":       {"v", 1},
		"a=1;__Host-foregate=v;b=2":         {"v", 1},
		"a=1 ;\t __Host-foregate= v ;b":     {"v", 1},
		"__Host-foregate=":                  {"", 1},
		"__Host-foregate":                   {"", 0},
		"__Host-foregate =v":                {"", 0},
		"a=__Host-foregate=v":               {"", 0},
		"a=1, __Host-foregate=v":            {"", 0},
		"__Host-foregate2=v":                {"", 0},
		"__host-foregate=v":                 {"", 0},
		"x__Host-foregate=v":                {"", 0},
		"foregate=v; __Secure-foregate=w":   {"", 0},
		"__Host-foregate=v=w":               {"v=w", 1},
		"__Host-foregate=__Host-foregate=v": {"__Host-foregate=v", 1},
		// SE5
		"__Host-foregate=v; __Host-foregate=w":       {"v", 2},
		"__Host-foregate=v; __Host-foregate=v":       {"v", 2},
		"\u2000__Host-foregate=v":                    {"", 0},
		"a=1; \u2000__Host-foregate=v":               {"", 0},
		"a=1; \u00a0__Host-foregate=v":               {"", 0},
		"a=1; \x0b__Host-foregate=v":                 {"", 0},
		"$Version=1; __Host-foregate=v":              {"", 0},
		" $version=\"1\"; __Host-foregate=v":         {"", 0},
		"$Version=1; a=\"; __Host-foregate=v; b=\"":  {"", 0},
		"a=1; __Host-foregate=v; $Version=1":         {"v", 1},
		"__Host-foregate=\"v\"":                      {"\"v\"", 1},
		strings.Repeat("a=;", 3500) + name + "=v":    {"v", 1},
		strings.Repeat(name, 3500):                   {"", 0},
		strings.Repeat(name+"=", 3):                  {name + "=" + name + "=", 1},
		strings.Repeat(" ", 9000) + name + "=v;":     {"v", 1},
		strings.Repeat(name+"="+"v;", 100) + name:    {"v", 100},
		strings.Repeat("; ", 3500) + name + "=v; ; ": {"v", 1},
	} {
		value, n := find([]string{header}, name)
		if n != want.n || n > 0 && value != want.value {
			t.Errorf("%.80q: got %q, %d, want %q, %d", header, value, n, want.value, want.n)
		}
	}
	if _, n := find([]string{"a=1", name + "=v", "b=2; " + name + "=w"}, name); n != 2 {
		t.Errorf("in two header lines: got %d, want 2", n)
	}
}

func TestOwnNames(t *testing.T) {
	n := newNames("foregate", "")
	for name, want := range map[string]bool{
		"foregate": true, "__Host-foregate": true, "__Secure-foregate": true,
		"foregate-attempt-0": true, "__Host-foregate-attempt-5": true, "__Secure-foregate-attempt-3": true,
		"foregate-language": true, "__Host-foregate-language": true, "foregate-language2": false,
		"foregate_admin": true, "__Host-foregate_admin": true, "foregate_admin2": false,
		"foregate-attempt-6": false, "foregate-attempt-": false, "foregate-attempt-00": false, "foregate-attempt-x": false,
		"foregate2": false, "foregate-theme": false, "Foregate": false, "__host-foregate": false, "": false,
		"__Host-": false, "__Host-__Host-foregate": false, "xforegate": false,
	} {
		if got := n.own(name); got != want {
			t.Errorf("own(%q): got %v, want %v", name, got, want)
		}
	}
}

func TestStripLeavesOthersByteForByte(t *testing.T) {
	n := newNames("foregate", "")
	const long = "JSESSIONID=0123456789; theme=\"dark; x\"; empty=; bare; a=b=c; \u00e4=\xff"
	for name, test := range map[string]struct{ in, want []string }{
		"none of ours":        {[]string{long}, []string{long}},
		"only ours":           {[]string{"__Host-foregate=v"}, nil},
		"ours alone, plain":   {[]string{"foregate=v;"}, nil},
		"all of ours":         {[]string{"foregate=v; __Host-foregate=w;foregate-attempt-3=x ; __Host-foregate-attempt-0=y"}, nil},
		"first":               {[]string{"__Host-foregate=v; " + long}, []string{long}},
		"last":                {[]string{long + "; __Host-foregate=v"}, []string{long}},
		"both ends":           {[]string{"foregate=v; " + long + "; __Host-foregate=v"}, []string{long}},
		"middle":              {[]string{"a=1;  b=2; __Host-foregate=v; c=3 ;d=4"}, []string{"a=1;  b=2; c=3 ;d=4"}},
		"twice in the middle": {[]string{"a=1; foregate=v; b=2; foregate=w; c=3"}, []string{"a=1; b=2; c=3"}},
		"middle and end":      {[]string{"a=1; foregate=v; b=2; foregate=w"}, []string{"a=1; b=2"}},
		"space before =":      {[]string{"foregate =v; a=1"}, []string{"a=1"}},
		"without value":       {[]string{"a=1; foregate"}, []string{"a=1"}},
		"lookalikes stay":     {[]string{"a=foregate; foregate2=v; b=__Host-foregate=x"}, []string{"a=foregate; foregate2=v; b=__Host-foregate=x"}},
		"several lines":       {[]string{"a=1", "foregate=v", "b=2; foregate=v", "c=3"}, []string{"a=1", "b=2", "c=3"}},
		"in quotes":           {[]string{"a=\"x; foregate=v; y\""}, []string{"a=\"x; y\""}},
	} {
		h := http.Header{"Cookie": test.in, "Accept": {"*/*"}}
		n.strip(h)
		if diff := cmp.Diff(test.want, h["Cookie"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if _, ok := h["Cookie"]; ok && test.want == nil {
			t.Errorf("%s: an empty field is left", name)
		}
	}
}

// TestConsoleCookieIsStrippedWhateverOursAreCalled, for a console on an app's host.
func TestConsoleCookieIsStrippedWhateverOursAreCalled(t *testing.T) {
	n := newNames("ours", "")
	h := http.Header{"Cookie": {"a=1; foregate_admin=pass; b=2", "__Host-foregate_admin=pass"}}
	n.strip(h)
	if diff := cmp.Diff([]string{"a=1; b=2"}, h["Cookie"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzCookieHeader(f *testing.F) {
	f.Add("a=1; __Host-foregate=v; b=2", "foregate-attempt-0=x")
	f.Add("$Version=1; foregate=\"a; foregate=b\"", "")
	f.Add("foregate;foregate=;=foregate; \u2000foregate=v", ";;;")
	f.Fuzz(func(t *testing.T, first, second string) {
		n := newNames("foregate", "")
		lines := []string{first, second}
		for _, name := range []string{n.plain, n.secure} {
			value, found := find(lines, name)
			if found > 0 && strings.ContainsAny(value, ";") {
				t.Errorf("value %q holds a separator", value)
			}
			if found > 0 && !strings.Contains(first+second, name+"=") {
				t.Errorf("%q was found where it is not", name)
			}
		}
		h := http.Header{"Cookie": lines}
		n.strip(h)
		once := http.Header{"Cookie": append([]string(nil), h["Cookie"]...)}
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if n.own(pairName(pair)) {
					t.Errorf("%q still has %q", line, pair)
				}
			}
		}
		for _, name := range []string{n.plain, n.secure} {
			if _, found := find(h["Cookie"], name); found > 0 {
				t.Errorf("%q is found after stripping", name)
			}
		}
		n.strip(once)
		if diff := cmp.Diff(h["Cookie"], once["Cookie"], cmp.Transformer("nil", func(s []string) []string {
			return append([]string{}, s...)
		})); diff != "" {
			t.Errorf("stripping twice differs:\n%s", diff)
		}
		for _, line := range []string{first, second} {
			if kept := n.stripLine(line); len(kept) > len(line) {
				t.Errorf("%q grew to %q", line, kept)
			}
		}
	})
}
