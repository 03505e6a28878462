package saml

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"foregate/authn"
	"foregate/internal/lockout"
)

const (
	keptProvider = "provider" // in the attempt: the entity ID of the chosen provider

	searchField  = "q"
	chooseButton = "provider"
	mostFound    = 15
	mostTyped    = 100

	unknownMost   = 30 // providers that one network may ask a query service for, in unknownWindow
	unknownWindow = 10 * time.Minute
)

// Federated implements authn.Federated.
func (m *Method) Federated() bool { return m.cfg.Metadata.Federation }

// chosen is the provider of an attempt. There is none yet where the person has to choose.
func (m *Method) chosen(ctx context.Context, a *authn.Attempt, name string) (*provider, error) {
	if !m.Federated() {
		return m.provider(ctx, "")
	}
	if len(m.cfg.Metadata.Entities) > 0 && !slices.Contains(m.cfg.Metadata.Entities, name) {
		return nil, authn.Invalid(notOffered, fmt.Errorf("saml: %q is not one of metadata.entities", short(name)))
	}
	if m.query != nil && m.query.known(name) == nil {
		if err := m.mayAsk(ctx, a.Client); err != nil {
			return nil, err
		}
	}
	return m.provider(ctx, name)
}

const notOffered = "That organisation is not known here. Go back and choose yours from the list."

// mayAsk bounds what strangers can make us ask a query service.
func (m *Method) mayAsk(ctx context.Context, client netip.Addr) error {
	if len(m.cfg.Metadata.Entities) > 0 {
		return nil // a list of ours
	}
	n, err := m.tries.Count(ctx, "saml:"+m.name+":query:"+lockout.Network(client).String(), unknownWindow)
	switch {
	case err != nil:
		return authn.Unavailable(notStored, fmt.Errorf("saml: count questions: %w", err))
	case n > unknownMost:
		return &authn.Error{Public: "Too many organisations were tried from here. Wait ten minutes, then choose yours again.", Err: errors.New("saml: too many providers asked for"), Status: http.StatusTooManyRequests, RetryAfter: unknownWindow}
	}
	return nil
}

// discover asks which organisation is the person's, or begins at the one that they chose.
func (m *Method) discover(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	if a.Provider != "" {
		p, err := m.chosen(ctx, a, a.Provider)
		if err != nil {
			return nil, err
		}
		return m.ask(a, p)
	}
	c, err := m.circle(ctx)
	if err != nil {
		return nil, err
	}
	if p := c.only(); p != nil && m.query == nil {
		return m.ask(a, p)
	}
	return m.searchForm(a, c, "", ""), nil
}

// answered goes on with what was typed or chosen on the page.
func (m *Method) answered(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	if names := r.PostForm[chooseButton]; len(names) == 1 {
		p, err := m.chosen(ctx, a, names[0])
		if err != nil {
			return nil, err
		}
		return m.ask(a, p)
	}
	c, err := m.circle(ctx)
	if err != nil {
		return nil, err
	}
	typed := strings.TrimSpace(authn.CutControl(r.PostForm.Get(searchField), mostTyped))
	if typed == "" {
		return m.searchForm(a, c, "", "Type a part of your organisation's name."), nil
	}
	return m.searchForm(a, c, typed, ""), nil
}

// searchForm shows what was found: first, where nothing was typed, where the person
// signed in before.
func (m *Method) searchForm(a *authn.Attempt, c *circle, typed, problem string) authn.Form {
	form := authn.Form{Step: "organisation", Problem: problem, Facts: map[string]string{}, Fields: []authn.Field{
		{Name: searchField, Kind: "text", Label: "Organisation", Autocomplete: "organization", Value: typed},
	}}
	offer := func(p *provider) {
		if !slices.ContainsFunc(form.Buttons, func(b authn.Button) bool { return b.Value == p.entityID }) {
			form.Buttons = append(form.Buttons, authn.Button{Name: chooseButton, Value: p.entityID, Label: p.titles.title})
		}
	}
	if typed == "" {
		for _, name := range a.Recent {
			if p := c.named(name); p != nil {
				offer(p)
			}
		}
	}
	found, all := c.search(typed, mostFound)
	for _, p := range found {
		offer(p)
	}
	switch {
	case typed != "" && all == 0:
		form.Problem = "No organisation of that name is known here. Try a part of the name, or another spelling."
	case all > len(found):
		form.Facts["more"] = fmt.Sprint(all - len(found))
	}
	return form
}

// circle is whom people may choose from.
func (m *Method) circle(ctx context.Context) (*circle, error) {
	if m.query != nil {
		return m.query.circle(), nil
	}
	return m.known(ctx)
}
