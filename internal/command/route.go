package command

import (
	"crypto/tls"
	"fmt"

	"foregate/internal/config"
	"foregate/proxy"
	"foregate/upstream"
)

// routeTo is the way to where an application, or a part of it, listens.
func routeTo(c *config.Upstream) (upstream.Route, error) {
	if c.Folder != "" || c.Answer != nil {
		return localTo(c), nil
	}
	ca, err := pool(c.CA)
	if err != nil {
		return upstream.Route{}, err
	}
	own, err := ownCertificate(c)
	if err != nil {
		return upstream.Route{}, err
	}
	var also []string
	for _, a := range c.Also {
		also = append(also, a.Host)
	}
	var health upstream.Health
	if h := c.Health; h != nil {
		health = upstream.Health{Path: h.Path, Every: h.Every, Timeout: h.Timeout}
	}
	var retry upstream.Retry
	if r := c.Retry; r != nil {
		retry = upstream.Retry{Statuses: r.Statuses, Times: r.Times}
	}
	var basic *upstream.BasicUser
	if b := c.Basic; b != nil && !b.PerUser {
		basic = &upstream.BasicUser{User: b.User, Password: b.Password.Reveal()}
	}
	return upstream.Route{
		Health: health, Retry: retry, Basic: basic, PerUser: c.Basic != nil && c.Basic.PerUser,
		URL: c.URL, Also: also, Least: c.Balance == "least_connections", Sticky: c.Balance == "sticky", HostHeader: c.Host, H2C: c.H2C, CA: ca, ServerName: c.ServerName, Certificate: own, MaxBody: c.MaxBody,
		Timeouts: upstream.Timeouts{Connect: c.ConnectTimeout, ResponseHeader: c.ResponseTimeout, Idle: c.IdleTimeout},
	}, nil
}

// localTo is a route on which no application is asked.
func localTo(c *config.Upstream) upstream.Route {
	r := upstream.Route{Folder: string(c.Folder)}
	if a := c.Answer; a != nil {
		r.Answer = &upstream.Answer{Status: a.Status, Type: a.Type, Body: a.Body}
	}
	return r
}

// ownCertificate is what Foregate shows to an https application; nil is nothing.
func ownCertificate(c *config.Upstream) (*tls.Certificate, error) {
	if c.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	return &pair, nil
}

// branchesOf are the ways to the parts of an app that listen somewhere else.
func branchesOf(c *config.App) ([]upstream.Route, error) {
	var all []upstream.Route
	for i := range c.Upstreams {
		b := &c.Upstreams[i]
		r, err := routeTo(&b.Upstream)
		if err != nil {
			return nil, fmt.Errorf("upstreams %s: %w", b.Path, err)
		}
		r.Path, r.Rewrite = b.Path, b.Rewrite
		all = append(all, r)
	}
	return all, nil
}

// maintenanceOf is nil for an app that has none.
func maintenanceOf(c *config.App) *proxy.Maintenance {
	m := c.Maintenance
	if m == nil {
		return nil
	}
	return &proxy.Maintenance{
		On: m.On, File: m.File, Message: m.Message, RetryAfter: m.RetryAfter, Networks: m.Networks, Roles: m.Roles,
	}
}
