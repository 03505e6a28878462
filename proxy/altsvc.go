package proxy

// altSvc is in the form of http.Header's keys.
const altSvc = "Alt-Svc"

// Announce has browsers told that HTTP/3 is spoken at port (RFC 9114, section 3.1.1), for a
// day: so long do they try when it is switched off again, and lose nothing by it. It stands
// in place of what an application says, whose own port would lead past the gate. Proxies in
// front are not told: they would pass it on, and it is not true of their port. It is called
// when UDP is bound, before anything is served.
func (s *Server) Announce(port string) { s.altSvc = []string{`h3=":` + port + `"; ma=86400`} }
