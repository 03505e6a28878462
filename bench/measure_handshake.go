package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// What listens for https, apart from those that carry requests.
const (
	nameSecureBare = "bare-tls"
	nameSecure     = "foregate-tls"
)

// handshaking measures what a new TLS connection costs, beside the TLS of net/http with
// the same certificate: with a full handshake, and one that resumes by a ticket.
func (s *stand) handshaking(ctx context.Context, r *report) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	cert, key, root, err := makeCertificate(s.dir)
	if err != nil {
		return err
	}
	bare, err := s.startSecureBare(cert, key)
	if err != nil {
		return err
	}
	ours, err := s.startSecure(ctx, cert, key)
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		name   string
		resume bool
	}{{"full", false}, {"resumed", true}} {
		o := order{Kind: "handshake", Host: secureHost, Root: root, Resume: kind.resume, Conns: s.conns, For: s.short()}
		jobs := []job{shake(bare, o), shake(ours, o)}
		all, err := s.interleave(ctx, s.rounds, jobs)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		r.add(fmt.Sprintf("TLS 1.3 handshake, %s, ECDSA P-256, %d at once", kind.name, s.conns), nameSecureBare, jobs, all)
		r.atMost("tls", "CPU of a "+kind.name+" handshake, to net/http's", all.ratio(nameSecure, nameSecureBare, sample.perRequest), 1.25, times)
	}
	return nil
}

// shake orders handshakes with a target.
func shake(t target, o order) job {
	o.Addr = t.addr
	return job{t, o}
}

func (s *stand) startSecureBare(cert, key string) (target, error) {
	told, err := json.Marshal(secureBare{Upstream: "http://" + s.upstream, Cert: cert, Key: key})
	if err != nil {
		return target{}, err
	}
	p, err := s.launchRole(s.proxyCore, nameSecureBare, roleSecure, string(told))
	if err != nil {
		return target{}, err
	}
	return proxied(p, "")
}

// startSecure starts a Foregate that listens for https too.
func (s *stand) startSecure(ctx context.Context, cert, key string) (target, error) {
	hash, err := hashPassword(ctx, s.built.foregate, userPassword)
	if err != nil {
		return target{}, err
	}
	https, err := freeAddress()
	if err != nil {
		return target{}, err
	}
	f, err := s.startForegate(s.built.foregate, setting{name: nameSecure, https: https, method: localMethod(hash),
		more: fmt.Sprintf("tls: {certificates: [{cert: %q, key: %q}]}\n", cert, key)})
	if err != nil {
		return target{}, err
	}
	if err := s.answering(f.process, https); err != nil {
		return target{}, err
	}
	t, err := proxied(f.process, "")
	t.addr = https
	return t, err
}
