package main

import (
	"context"
	"fmt"
	"time"
)

// directory measures sign-ins at a real directory: everybody sends their password in one
// moment, and twenty connections carry them.
func (s *stand) directory(ctx context.Context, r *report) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	slapd, err := s.startSlapd()
	if err != nil {
		s.note("the directory is left out: %v", err)
		return nil
	}
	f, err := s.startForegate(s.built.foregate, setting{name: "foregate-ldap", method: ldapMethod(slapd.addrs[0], s.rush), more: "trusted_proxies: [127.0.0.0/8]\n"})
	if err != nil {
		return err
	}
	ours, err := proxied(f.process, "")
	if err != nil {
		return err
	}
	j := job{ours, order{Kind: "rush", Addr: ours.addr, Host: ours.addr, Path: "/who", Conns: s.conns, For: time.Minute,
		Most: int64(s.rush), User: directoryUser, Password: directoryPassword, People: directoryPeople}}
	all, err := s.interleave(ctx, 1, []job{j})
	if err != nil {
		return err
	}
	got := all[ours.name][0]
	r.add(fmt.Sprintf("Sign-in at a directory over 20 connections, %d in one moment; from the first to the last", s.rush), ours.name, []job{j}, all)
	r.atMost("LDAP", "answers that are another's", float64(got.Wrong), 0, whole)
	r.atMost("LDAP", "people who were told to try again", float64(got.Busy), 0, whole)
	return nil
}

func ldapMethod(addr string, waiting int) string {
	return fmt.Sprintf(`  - name: bench
    ldap: {preset: openldap, servers: ["ldap://%s"], insecure_plain: true, bind_dn: "cn=foregate,%s", bind_password: %q, base_dn: %q,
           connections: 20, waiting: %d, wait: 60s, lockout: {failures: 100, account_failures: 30}}`, addr, directoryBase, directoryPassword, directoryBase, waiting)
}
