package upstream

// maxName is the longest header name that can be put on the list, in bytes.
const maxName = 62

// Families of headers that only a proxy may set, whatever follows the prefix.
func forbiddenPrefixes() []string {
	return []string{"x-forwarded-", "x-original-", "x-foregate-", "x-auth-request-"}
}

// Single headers that a client has no business to send: addresses and paths as
// somebody else saw them, methods other than the one that was judged, and what
// CGI programs take for their proxy (httpoxy), and the certificate that a proxy has seen
// (RFC 9440). Of the headers that frame a body
// the transport writes its own: any other spelling only a careless server reads.
func forbiddenSingles() []string {
	return []string{
		"forwarded", "x-forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip",
		"x-cluster-client-ip", "x-rewrite-url", "x-http-method-override", "x-http-method",
		"x-method-override", "proxy-authorization", "proxy", "x-request-id", "http2-settings",
		"content-length", "transfer-encoding", "client-cert", "client-cert-chain",
	}
}

// nameSet holds header names folded as the most careless application server
// folds them: lower-case, everything else than letters and digits a "-", and
// none of these at the ends. CGI, WSGI, PHP and Rack take X_Remote_User for
// X-Remote-User, so all spellings are one name here.
type nameSet struct {
	exact    map[string]struct{}
	prefixes []string
	// lengths has, for each first character, a bit for each length that a member
	// has. It tells almost every innocent header at once.
	lengths [27]uint64
}

func forbiddenNames(lists ...[]string) *nameSet {
	s := &nameSet{exact: make(map[string]struct{}), prefixes: forbiddenPrefixes()}
	for _, prefix := range s.prefixes {
		s.lengths[initial(prefix[0])] |= ^uint64(0) << lengthBit(len(prefix))
	}
	s.add(forbiddenSingles())
	for _, name := range presets() {
		h, _ := preset(name)
		for _, one := range h {
			s.add([]string{one.name})
		}
	}
	for _, list := range lists {
		s.add(list)
	}
	return s
}

func (s *nameSet) add(names []string) {
	for _, name := range names {
		folded := fold(name)
		if folded == "" {
			continue
		}
		s.exact[folded] = struct{}{}
		s.lengths[initial(folded[0])] |= 1 << lengthBit(len(folded))
	}
}

// has reports whether name, however it is spelt, is a member. It does not
// allocate.
func (s *nameSet) has(name string) bool {
	name = trimPunctuation(name)
	if name == "" || s.lengths[initial(name[0])]&(1<<lengthBit(len(name))) == 0 {
		return false
	}
	var buf [maxName + 1]byte
	folded := buf[:min(len(name), len(buf))] // one byte more than the longest member
	for i := range folded {
		folded[i] = foldByte(name[i])
	}
	for _, prefix := range s.prefixes {
		if len(folded) >= len(prefix) && string(folded[:len(prefix)]) == prefix {
			return true
		}
	}
	_, ok := s.exact[string(folded)]
	return ok
}

func fold(name string) string {
	folded := []byte(trimPunctuation(name))
	for i, c := range folded {
		folded[i] = foldByte(c)
	}
	return string(folded)
}

func trimPunctuation(name string) string {
	for name != "" && foldByte(name[0]) == '-' {
		name = name[1:]
	}
	for name != "" && foldByte(name[len(name)-1]) == '-' {
		name = name[:len(name)-1]
	}
	return name
}

func foldByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return '-'
}

func initial(c byte) int {
	if c = foldByte(c); 'a' <= c && c <= 'z' {
		return int(c - 'a')
	}
	return 26
}

func lengthBit(n int) int { return min(n, 63) }

// sameName reports whether an application server might take a for b.
func sameName(a, b string) bool { return fold(a) == fold(b) }
