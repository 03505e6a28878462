package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
)

// redis looks at where replicas keep what they share.
func (c *checker) redis() {
	const at = "storage.redis"
	r := &c.file.Storage.Redis
	if len(r.Addresses) == 0 {
		if r.Sentinel != "" || r.Cluster || r.TLS.Enabled || !r.Password.Empty() {
			c.fault(at, FaultAt{Problem: "has no addresses, so it is not used", Allowed: "a list of host:port", Remedy: "add addresses, or remove the section"})
		}
		return
	}
	for i, a := range r.Addresses {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			c.fault(item(join(at, "addresses"), i), FaultAt{Problem: "is not an address", Found: quoted(a), Allowed: "host:port", Remedy: "write it like redis.hospital.example:6379"})
		}
	}
	c.redisShape(at, r)
	c.redisTLS(join(at, "tls"), &r.TLS)
	if len(c.file.Session.Secrets) == 0 && !c.faulty("session.secrets") {
		c.fault("session.secrets", FaultAt{
			Problem: "must be given beside storage.redis: replicas open each other's sessions with it",
			Allowed: "the same list on every replica", Remedy: "make a secret with: foregate keys new",
		})
	}
}

func (c *checker) redisShape(at string, r *Redis) {
	switch {
	case r.Cluster && r.Sentinel != "":
		c.fault(join(at, "sentinel"), FaultAt{Problem: "cannot stand beside cluster: true", Remedy: "remove one of the two"})
	case r.Cluster && r.Database != 0:
		c.fault(join(at, "database"), FaultAt{Problem: "a cluster has no other database than 0", Found: fmt.Sprint(r.Database), Remedy: "remove it; prefix keeps things apart"})
	case !r.Cluster && r.Sentinel == "" && len(r.Addresses) > 1:
		c.fault(join(at, "addresses"), FaultAt{
			Problem: "a single server has one address", Found: fmt.Sprint(len(r.Addresses), " of them"),
			Remedy: "set sentinel to the master's name, or cluster: true, or keep one address",
		})
	}
	if r.Sentinel == "" && (r.SentinelUsername != "" || !r.SentinelPassword.Empty()) {
		c.fault(join(at, "sentinel"), FaultAt{Problem: "is missing, though there are a user or a password for sentinels", Remedy: "write the name of the master"})
	}
	if strings.ContainsAny(r.Prefix, "{} \t\r\n") || len(r.Prefix) > 64 {
		c.fault(join(at, "prefix"), FaultAt{Problem: "is no prefix for keys", Found: quoted(r.Prefix), Allowed: "up to 64 characters without { } and spaces", Remedy: "write a short one such as foregate"})
	}
}

func (c *checker) redisTLS(at string, t *RedisTLS) {
	if !t.Enabled {
		if t.CA != "" || t.ServerName != "" || t.Cert != "" || t.Key != "" {
			c.fault(join(at, "enabled"), FaultAt{Problem: "is off, so the keys beside it do nothing", Remedy: "set enabled: true"})
		}
		return
	}
	if pem, ok := c.content(join(at, "ca"), t.CA, 4<<20); ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		c.fault(join(at, "ca"), FaultAt{Problem: "holds no certificate", Found: quoted(string(t.CA)), Allowed: "a PEM file with BEGIN CERTIFICATE", Remedy: "export the authority's certificate as PEM"})
	}
	if (t.Cert == "") != (t.Key == "") {
		c.fault(join(at, "cert"), FaultAt{Problem: "cert and key go together", Remedy: "give both or neither"})
		return
	}
	if t.Cert == "" {
		return
	}
	if _, err := tls.LoadX509KeyPair(string(t.Cert), string(t.Key)); err != nil {
		c.fault(join(at, "cert"), FaultAt{Problem: "certificate and key cannot be used: " + err.Error(), Found: quoted(string(t.Cert)), Remedy: "give a PEM certificate and its own private key"})
	}
}
