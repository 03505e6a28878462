package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"foregate/authn"
	"foregate/internal/config"
)

// certificateLooks are about our own certificates, and about the hosts that none of
// them is for.
func certificateLooks(file *config.File) []look {
	if file.Listen.HTTPS == "" || len(file.TLS.Certificates) == 0 {
		return nil
	}
	var all []look
	for _, c := range file.TLS.Certificates {
		all = append(all, look{"certificate", "tls", authn.Check{Target: string(c.Cert), Look: func(context.Context, *authn.Witness) authn.Finding {
			return judgeCertificate(c, time.Now())
		}}})
	}
	for i := range file.Apps {
		for _, h := range file.Apps[i].Hosts {
			all = append(all, look{"certificate", file.Apps[i].Name, authn.Check{Target: h, Look: func(context.Context, *authn.Witness) authn.Finding {
				return judgeHost(file.TLS.Certificates, h)
			}}})
		}
	}
	return all
}

// judgeCertificate asks of a certificate what a browser would: is it valid now, and
// does what is sent lead to an authority?
func judgeCertificate(c config.Certificate, now time.Time) authn.Finding {
	pair, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
	if err != nil {
		return authn.Finding{Err: err, Remedy: "the two files must be PEM, and the key that of the first certificate"}
	}
	f := authn.Finding{Detail: fmt.Sprintf("%s until %s", strings.Join(pair.Leaf.DNSNames, ", "), pair.Leaf.NotAfter.Format(time.DateOnly))}
	left := pair.Leaf.NotAfter.Sub(now)
	switch {
	case left <= 0:
		f.Err, f.Remedy = fmt.Errorf("ended on %s", pair.Leaf.NotAfter.Format(time.DateOnly)), "have it renewed; browsers refuse it"
		return f
	case now.Before(pair.Leaf.NotBefore):
		f.Err, f.Remedy = fmt.Errorf("begins on %s only", pair.Leaf.NotBefore.Format(time.DateOnly)), "look at this machine's clock, or wait"
		return f
	case left < lookSoon:
		f.Warning, f.Remedy = "ends soon", "have it renewed before that day"
		return f
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Intermediates: between, CurrentTime: now}); err != nil {
		f.Warning = "this machine would not believe it: " + err.Error()
		f.Remedy = "add the intermediates below it in the file; with an authority of your own see that browsers and partners know it"
	}
	return f
}

func judgeHost(pairs []config.Certificate, host string) authn.Finding {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	for _, c := range pairs {
		pair, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
		if err == nil && pair.Leaf.VerifyHostname(name) == nil {
			return authn.Finding{Detail: string(c.Cert)}
		}
	}
	return authn.Finding{Err: errors.New("no certificate is for this host"), Remedy: "add one to tls.certificates; browsers warn people until then"}
}
