package proxy

import "foregate/proxy/pages"

// reader is for whom a page is that answers an exchange.
func (s *Server) reader(x *exchange, look *pages.Look) pages.Reader {
	return pages.Reader{Language: s.Pages.Language(look, "", x.asked.Header.Get("Accept-Language"))}
}
