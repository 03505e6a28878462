package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"foregate/internal/samltest"
)

// postsPerRound of answers are made before each round: to sign costs more than to verify.
const postsPerRound = 1500

// landings measures sign-ins by SAML: an answer is read, its signature verified, its
// identifier marked as used, a session made, and the browser sent on.
func (s *stand) landings(ctx context.Context, r *report) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	idp, err := samltest.New()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "saml-idp.crt")
	if err := os.WriteFile(file, idp.Certificate(), 0o600); err != nil {
		return err
	}
	f, err := s.startForegate(s.built.foregate, setting{name: "foregate-saml", method: samlMethod(file)})
	if err != nil {
		return err
	}
	ours, err := proxied(f.process, "")
	if err != nil {
		return err
	}
	j := ours.ask(order{Kind: "page", Path: "/sso/acs", Conns: s.conns, For: s.length, Status: http.StatusSeeOther, Size: -1})
	all := make(series)
	for range s.rounds {
		if j.Bodies, err = idp.Forms("http://"+j.Host+"/sso", min(postsPerRound, int(postsPerRound*s.length.Seconds()))); err != nil {
			return err
		}
		j.Most = int64(len(j.Bodies))
		got, err := s.run(ctx, j)
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		all[j.name] = append(all[j.name], got)
	}
	r.add(fmt.Sprintf("Sign-in by SAML, answers signed by RSA-2048, %d at once", s.conns), ours.name, []job{j}, all)
	return nil
}

func samlMethod(certificate string) string {
	return fmt.Sprintf("  - name: bench\n    saml: {sso_url: \"https://idp.bench.example/sso\", certificate: %q, idp_entity_id: %q, insecure_idp_initiated: true}", certificate, samltest.Entity)
}
