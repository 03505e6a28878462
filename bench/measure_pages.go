package main

import "context"

// ownPages measures a page of Foregate's own, as a stranger's browser gets it: one after
// the other, until its last byte.
func (s *stand) ownPages(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	ours, err := proxied(s.plain.process, "")
	if err != nil {
		return err
	}
	jobs := []job{ours.ask(order{Kind: "page", Path: "/sso/sign-in?choose=1", Conns: 1, For: s.short(), Size: -1})}
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add("The sign-in page, one at a time", nameOurs, jobs, all)
	r.atMost("P20", "the sign-in page, p99, one at a time", median(all.each(nameOurs, sample.p99))/1e3, 5, millis)
	return nil
}
