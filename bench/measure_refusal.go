package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// forgeries is how many different forged cookies are sent in turn, so that no
// memory of a refused one helps.
const forgeries = 256

// refusals measures what a stranger's request costs: without a cookie, and with
// a forged one. Each is compared with a server that sends the very same answer
// without thinking.
func (s *stand) refusals(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	before, err := readFigures(ctx, s.plain.admin)
	if err != nil {
		return err
	}
	for _, st := range []stranger{
		{name: "no cookie"},
		{name: "forged cookie", cookies: forge(s.plain.cookie, forgeries)},
	} {
		if err := s.refuse(ctx, r, st); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	after, err := readFigures(ctx, s.plain.admin)
	if err != nil {
		return err
	}
	r.atMost("P19", "store operations during all refusals", growth{before: before, after: after}.of(metricStoreOps), sweeps, whole)
	return nil
}

func (s *stand) refuse(ctx context.Context, r *report, st stranger) error {
	jobs, err := s.refused(ctx, st)
	if err != nil {
		return err
	}
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("Refused GET, %s, %d at once; bare answers with the same bytes", st.name, s.conns)
	r.add(title, nameBare, jobs, all)
	r.atMost("P19", "CPU of refusing a request, "+st.name+", to bare", all.ratio(nameOurs, nameBare, sample.perRequest), 1.2, times)
	return nil
}

// stranger is somebody without a session.
type stranger struct {
	name    string
	cookies []string
}

// refused asks Foregate once, starts a server that repeats what it answered, and
// returns the jobs for both.
func (s *stand) refused(ctx context.Context, st stranger) ([]job, error) {
	o := order{Kind: "page", Path: "/page", Cookies: st.cookies, Conns: s.conns, For: s.short(), Size: -1}
	ours, err := proxied(s.plain.process, "")
	if err != nil {
		return nil, err
	}
	rep, err := firstAnswer(ctx, ours.ask(o))
	if err != nil {
		return nil, err
	}
	if rep.Status < 300 || rep.Status > 499 {
		return nil, fmt.Errorf("a stranger was answered with status %d", rep.Status)
	}
	encoded, err := json.Marshal(rep)
	if err != nil {
		return nil, err
	}
	p, err := s.launchRole(s.proxyCore, "reply-"+strings.ReplaceAll(st.name, " ", "-"), roleReply, string(encoded))
	if err != nil {
		return nil, err
	}
	bare, err := proxied(p, "")
	if err != nil {
		return nil, err
	}
	o.Status = rep.Status
	bare.name = nameBare
	return []job{bare.ask(o), ours.ask(o)}, nil
}

// firstAnswer makes the very request that the load generator will make.
func firstAnswer(ctx context.Context, j job) (reply, error) {
	conn, err := dial(ctx, j.Addr)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if _, err := conn.Write(j.requests()[0]); err != nil {
		return reply{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mebibyte))
	for _, name := range []string{"Date", "Content-Length", "Connection"} { // the server's own
		res.Header.Del(name)
	}
	return reply{res.StatusCode, res.Header, body}, err
}

// forge returns cookies that look like the session's and are not.
func forge(header string, n int) []string {
	value := longestCookie(header)
	all := make([]string, n)
	for i := range all {
		noise := rand.Text()
		at := max(0, len(value)/2-len(noise)/2)
		forged := value[:at] + noise + value[min(len(value), at+len(noise)):]
		all[i] = strings.Replace(header, value, forged, 1)
	}
	return all
}
