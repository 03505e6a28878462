package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"foregate/authn"
	"foregate/authn/handoff"
)

// tokensPerSecond are more than any Foregate opens on one core.
const tokensPerSecond = 10_000

// handingOff measures sign-ins by the token of a partner's page: opened, marked as
// used, a session made, and the browser sent on. Each format has a Foregate of its
// own; all use the embedded store.
func (s *stand) handingOff(ctx context.Context, r *report) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	var jobs []job
	var pages []partnerPage
	for _, format := range []string{"blowfish", "aes-gcm", "jwe"} {
		p, err := newPartnerPage(format)
		if err != nil {
			return err
		}
		f, err := s.startForegate(s.built.foregate, setting{name: nameOurs + "-" + format, method: p.method()})
		if err != nil {
			return err
		}
		ours, err := proxied(f.process, "")
		if err != nil {
			return err
		}
		pages = append(pages, p)
		jobs = append(jobs, ours.ask(order{Kind: "page", Path: "/page", Conns: s.conns, For: s.short(), Status: http.StatusSeeOther, Size: -1}))
	}
	all := make(series)
	for round := range s.rounds {
		for i := range jobs {
			n := (round + i) % len(jobs)
			j := jobs[n]
			var err error
			// Each is good once, and for two minutes.
			if j.Queries, err = pages[n].tokens(j.Host, int(tokensPerSecond*j.For.Seconds())); err != nil {
				return err
			}
			j.Most = int64(len(j.Queries))
			got, err := s.run(ctx, j)
			if err != nil {
				return fmt.Errorf("%s: %w", j.name, err)
			}
			all[j.name] = append(all[j.name], got)
		}
	}
	r.add(fmt.Sprintf("Sign-in by a partner's token, %d at once", s.conns), jobs[0].name, jobs, all)
	return nil
}

// partnerPage makes tokens as a partner's page does.
type partnerPage struct {
	config  handoff.Config
	partner *handoff.Partner
}

func newPartnerPage(format string) (partnerPage, error) {
	p := partnerPage{config: handoff.Config{Page: "http://127.0.0.1:9/sso", Format: format}}
	key := handoff.Key{Key: newPageKey(32)}
	if format == "blowfish" {
		key = handoff.Key{Key: newPageKey(16), MACKey: newPageKey(32)}
	}
	p.config.Keys = []handoff.Key{key}
	var err error
	p.partner, err = handoff.NewPartner(&p.config, "bench")
	return p, err
}

func newPageKey(size int) authn.Secret {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return authn.NewSecret(hex.EncodeToString(b))
}

// method is the partner in Foregate's configuration.
func (p *partnerPage) method() string {
	key := p.config.Keys[0]
	keys := fmt.Sprintf("key: %q", key.Key.Reveal())
	if !key.MACKey.Empty() {
		keys += fmt.Sprintf(", mac_key: %q", key.MACKey.Reveal())
	}
	return fmt.Sprintf("  - name: bench\n    handoff: {page: %q, format: %s, keys: [{%s}]}", p.config.Page, p.config.Format, keys)
}

// tokens are queries that sign in a thousand people in turn.
func (p *partnerPage) tokens(host string, n int) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		v, err := p.partner.Mint(handoff.Draft{User: fmt.Sprintf("user%03d", i%1000), Name: "Alice Archer", Made: time.Now(), Host: host})
		if err != nil {
			return nil, err
		}
		all[i] = v.Encode()
	}
	return all, nil
}
