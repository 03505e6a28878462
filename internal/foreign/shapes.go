package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v4"
)

// setting is one setting of an original. Its name is that of the original's
// documentation; several values are in the order of the original.
type setting struct {
	name   string
	line   int
	values []string
}

// one is the last value, which counts.
func (s setting) one() string {
	if len(s.values) == 0 {
		return ""
	}
	return s.values[len(s.values)-1]
}

// on reads a switch; a flag without a value is on.
func (s setting) on() bool {
	switch strings.ToLower(s.one()) {
	case "", "true", "1", "t", "yes", "on":
		return true
	}
	return false
}

var (
	errEmpty = errors.New("there is nothing in it that oauth2-proxy would read")
	envLine  = regexp.MustCompile(`(?m)^\s*(?:export\s+|-\s+|Environment=)?["']?OAUTH2_PROXY_[A-Z0-9_]+["']?\s*[=:]`)
	flagWord = regexp.MustCompile(`(?m)(^|\s|["'=\[,])--?[a-z][a-z0-9]*(-[a-z0-9]+)+`)
	tomlLine = regexp.MustCompile(`(?m)^\s*[a-z][a-z0-9_]*\s*=`)
)

// readSettings finds out which of its shapes oauth2-proxy's configuration has: alpha
// YAML, environment variables, TOML, or flags (of a shell, a unit file, Compose).
func readSettings(text []byte) ([]setting, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("larger than %d bytes", maxSize)
	}
	var all []setting
	var err error
	switch {
	case isAlpha(text):
		all, err = readAlpha(text)
	case envLine.Match(text):
		all = readEnv(string(text))
	case tomlLine.Match(text) && !startsWithFlag(text):
		all, err = readTOML(string(text))
	case flagWord.Match(text):
		all = readFlags(string(text))
	default:
		all, err = readTOML(string(text))
	}
	if err == nil && len(all) == 0 {
		err = errEmpty
	}
	return all, err
}

func startsWithFlag(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(text), []byte("-"))
}

func readTOML(text string) ([]setting, error) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var at toml.ParseError
		if errors.As(err, &at) { // whose text quotes the line, and with it perhaps a secret
			return nil, fmt.Errorf("line %d is not TOML: look at its quotes and brackets", at.Position.Line)
		}
		return nil, errors.New("this is not TOML")
	}
	var all []setting
	for key, value := range tree {
		s := setting{name: singular(key), line: lineOf(text, key)}
		switch v := value.(type) {
		case []any:
			for _, one := range v {
				s.values = append(s.values, fmt.Sprint(one))
			}
		case map[string]any:
			continue // oauth2-proxy has no tables
		default:
			s.values = []string{fmt.Sprint(v)}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b setting) int { return a.line - b.line })
	return all, nil
}

func lineOf(text, key string) int {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), key); ok && strings.HasPrefix(strings.TrimSpace(rest), "=") {
			return n
		}
	}
	return 0
}

// readEnv reads lines NAME=value of an environment file, of a unit file or of Compose.
func readEnv(text string) []setting {
	var all []setting
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"export ", "- ", "Environment="} {
			line = strings.TrimSpace(strings.TrimPrefix(line, prefix))
		}
		line = unquoted(line)
		at := strings.IndexAny(line, "=:")
		if at < 0 {
			continue
		}
		name, ok := strings.CutPrefix(strings.Trim(strings.TrimSpace(line[:at]), `"'`), "OAUTH2_PROXY_")
		if !ok || name == "" {
			continue
		}
		s := setting{name: singular(strings.ToLower(name)), line: n}
		value := unquoted(strings.TrimSpace(line[at+1:]))
		s.values = []string{value}
		if lists[s.name] {
			s.values = strings.Split(value, ",")
		}
		all = merge(all, s)
	}
	return all
}

func unquoted(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// readFlags reads the words of a command line, wherever they stand.
func readFlags(text string) []setting {
	var all []setting
	words := wordsOf(text)
	for i := 0; i < len(words); i++ {
		name, ok := flagOf(words[i].text)
		if !ok {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		s := setting{name: singular(strings.ReplaceAll(name, "-", "_")), line: words[i].line}
		if !given && i+1 < len(words) && !switches[s.name] {
			if _, next := flagOf(words[i+1].text); !next {
				value, given = words[i+1].text, true
				i++
			}
		}
		if given {
			s.values = []string{value}
			if lists[s.name] && s.name != "skip_auth_route" && s.name != "skip_auth_regex" {
				s.values = strings.Split(value, ",")
			}
		}
		all = merge(all, s)
	}
	return all
}

func flagOf(word string) (string, bool) {
	if len(word) < 3 || word[0] != '-' {
		return "", false
	}
	name := strings.TrimPrefix(word[1:], "-")
	return name, name != "" && name[0] >= 'a' && name[0] <= 'z'
}

// merge puts a setting to the others; lists grow.
func merge(all []setting, s setting) []setting {
	for i := range all {
		if all[i].name != s.name {
			continue
		}
		if lists[s.name] {
			all[i].values = append(all[i].values, s.values...)
		} else {
			all[i].values, all[i].line = s.values, s.line
		}
		return all
	}
	return append(all, s)
}

type word struct {
	text string
	line int
}

// wordsOf takes a command line apart as a shell does, also one written as a list of
// YAML or JSON. Nothing is expanded.
func wordsOf(text string) []word {
	var all []word
	var b strings.Builder
	line, began, open := 1, 1, false
	var quote rune
	end := func() {
		if open {
			all = append(all, word{strings.TrimSuffix(b.String(), ","), began})
		}
		b.Reset()
		open = false
	}
	escaped, comment := false, false
	for _, c := range text {
		switch {
		case comment:
			comment = c != '\n'
		case escaped:
			escaped = false
			if c != '\n' && c != '\r' {
				b.WriteRune(c)
			}
		case c == '\\' && quote != '\'':
			escaped = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteRune(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case unicode.IsSpace(c) || !open && strings.ContainsRune("[],", c):
			end()
		case c == ',' || c == ']':
			b.WriteRune(c)
		case c == '#' && !open:
			comment = true
		default:
			open = true
			b.WriteRune(c)
		}
		if c == '\n' {
			line++
		}
		if !open {
			began = line
		}
	}
	end()
	return all
}

// lists are settings that may be given several times.
var lists = map[string]bool{
	"upstream": true, "email_domain": true, "skip_auth_route": true, "skip_auth_regex": true, "allowed_group": true, "allowed_role": true,
	"trusted_ip": true, "trusted_proxy_ip": true, "whitelist_domain": true, "cookie_domain": true, "provider_ca_file": true, "extra_jwt_issuer": true,
	"oidc_extra_audience": true, "api_route": true, "redis_sentinel_connection_url": true, "redis_cluster_connection_url": true,
	"signature_key": false, "google_group": true, "htpasswd_user_group": true, "allowed_email": true,
}

// switches are flags that stand alone.
var switches = map[string]bool{
	"pass_access_token": true, "pass_authorization_header": true, "pass_basic_auth": true, "pass_host_header": true, "pass_user_headers": true,
	"set_xauthrequest": true, "set_authorization_header": true, "set_basic_auth": true, "reverse_proxy": true, "skip_provider_button": true,
	"skip_auth_preflight": true, "skip_jwt_bearer_tokens": true, "skip_oidc_discovery": true, "ssl_insecure_skip_verify": true,
	"ssl_upstream_insecure_skip_verify": true, "cookie_secure": true, "cookie_httponly": true, "redis_use_sentinel": true, "redis_use_cluster": true,
	"insecure_oidc_allow_unverified_email": true, "insecure_oidc_skip_issuer_verification": true, "insecure_oidc_skip_nonce": true, "prefer_email_to_user": true,
	"force_https": true, "proxy_websockets": true, "request_logging": true, "auth_logging": true, "standard_logging": true, "silence_ping_logging": true,
	"display_htpasswd_form": true, "gcp_healthchecks": true, "session_cookie_minimal": true, "cookie_csrf_per_request": true, "encode_state": true,
	"show_debug_on_error": true, "force_json_errors": true, "redis_insecure_skip_tls_verify": true, "relative_redirect_url": true,
}

// singular gives a setting of a file the name of its flag.
func singular(key string) string {
	for name := range lists {
		if key == name+"s" || key == strings.TrimSuffix(name, "y")+"ies" {
			return name
		}
	}
	return key
}

// isAlpha reports whether text is oauth2-proxy's YAML.
func isAlpha(text []byte) bool {
	var top struct {
		Providers []yaml.Node `yaml:"providers"`
		Upstreams yaml.Node   `yaml:"upstreamConfig"`
	}
	if bytes.IndexByte(text, ':') < 0 || !bytes.Contains(text, []byte("providers:")) && !bytes.Contains(text, []byte("upstreamConfig:")) {
		return false
	}
	return yaml.Unmarshal(text, &top) == nil && (len(top.Providers) > 0 || top.Upstreams.Kind != 0)
}
