package certificate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	maxAuthorities = 4 << 20          // bytes of a file
	lookEvery      = 2 * time.Second  // at the files
	lookAgain      = 10 * time.Second // at files that could not be used
)

// files are the names of what a method trusts.
type files struct{ ca, crl []string }

// trust is what the files hold. It is whole or has a fault: a part of it would let in
// people who are revoked.
type trust struct {
	authorities []*x509.Certificate
	roots       *x509.CertPool // of authorities; never nil, which would mean the system's
	lists       []*list
	broken      error

	ends     map[string]time.Time // of authorities, by file
	listEnds map[string]time.Time
	stamps   []stamp // of the files, as they were read
	read     time.Time
}

// fault says why nobody is let in now, or nil.
func (t *trust) fault(now time.Time) error {
	if t.broken != nil {
		return t.broken
	}
	for _, l := range t.lists {
		if err := l.current(now); err != nil {
			return err
		}
	}
	return nil
}

// load reads all files. A file that changes meanwhile is read again, since its stamp is
// from before.
func (f files) load(now time.Time) *trust {
	t := &trust{roots: x509.NewCertPool(), ends: make(map[string]time.Time), listEnds: make(map[string]time.Time), stamps: f.stamps(), read: now}
	for _, name := range f.ca {
		all, err := readAuthorities(name)
		if err != nil {
			t.broken = errors.Join(t.broken, fmt.Errorf("ca %s: %w", name, err))
			t.ends[name] = time.Unix(0, 0)
			continue
		}
		t.ends[name] = firstEnd(all)
		for _, a := range all {
			t.authorities = append(t.authorities, a)
			t.roots.AddCert(a)
		}
	}
	for _, name := range f.crl {
		l, err := readList(name)
		if err == nil {
			err = l.signedByNamed(t.authorities)
		}
		if err != nil {
			t.broken = errors.Join(t.broken, fmt.Errorf("crl %s: %w", name, err))
			t.listEnds[name] = time.Unix(0, 0)
			continue
		}
		t.listEnds[name] = l.NextUpdate
		t.lists = append(t.lists, l)
	}
	if len(t.authorities) == 0 && t.broken == nil {
		t.broken = errors.New("there is no authority")
	}
	return t
}

// readAuthorities reads a PEM file of certificates, all of which must be authorities.
func readAuthorities(name string) ([]*x509.Certificate, error) {
	text, err := readFile(name, maxAuthorities)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	blocks := bytes.Count(text, []byte("-----BEGIN "))
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("has a %q beside certificates", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("has a certificate that cannot be read: %w", err)
		}
		switch {
		case !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
			return nil, fmt.Errorf("%s is not an authority: it may not sign certificates", dn(c.RawSubject))
		case dn(c.RawSubject) == "":
			return nil, errors.New("has an authority without a name")
		}
		all = append(all, c)
	}
	if len(all) == 0 || len(all) != blocks { // a damaged block is passed over by pem
		return nil, errors.New("holds no certificate that can be read, or a damaged one")
	}
	return all, nil
}

// readFile reads a regular file of limited size.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("cannot be read: it is not a file")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("is larger than %d MiB", limit>>20)
	}
	return text, nil
}

// stamp tells two states of a file apart; the zero stamp is one that is not there.
type stamp struct {
	changed time.Time
	size    int64
	info    os.FileInfo
}

func (f files) stamps() []stamp {
	var all []stamp
	for _, list := range [...][]string{f.ca, f.crl} {
		for _, name := range list {
			var s stamp
			if info, err := os.Stat(name); err == nil {
				s = stamp{info.ModTime(), info.Size(), info}
			}
			all = append(all, s)
		}
	}
	return all
}

func (s stamp) same(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info
	}
	return s.changed.Equal(t.changed) && s.size == t.size && os.SameFile(s.info, t.info)
}

// changed reports whether files are as t has read them. What could not be used is read
// again after a while, since a stamp does not tell everything.
func (t *trust) changed(f files, now time.Time) bool {
	if t.broken != nil && now.Sub(t.read) >= lookAgain {
		return true
	}
	for i, s := range f.stamps() {
		if !s.same(t.stamps[i]) {
			return true
		}
	}
	return false
}

// watch looks at the files until Close.
func (m *Method) watch() {
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-m.done:
				return
			case <-tick.C:
				m.look()
			}
		}
	}()
}

// look reads the files if they have changed, and tells of what has become of them. It is
// called by open and then by watch alone.
func (m *Method) look() {
	now := m.now()
	before := m.trust.Load()
	t := before
	if before == nil || before.changed(m.files, now) {
		t = m.files.load(now)
		m.trust.Store(t)
	}
	m.tell(before, t, now)
}

// tell says once in the log that the method is out of order, and that it is well again.
func (m *Method) tell(before, t *trust, now time.Time) {
	said := ""
	if err := t.fault(now); err != nil {
		said = err.Error()
	}
	switch {
	case said != "" && said != m.said:
		m.log.Error("CERTIFICATES SIGN NOBODY IN: authorities or revoked certificates are not known", "reason", said)
	case said == "" && m.said != "":
		m.log.Info("certificates sign people in again")
	case said == "" && before != nil && before != t:
		m.log.Info("authorities and revoked certificates read anew", "authorities", len(t.authorities), "lists", len(t.lists))
	}
	m.said = said
}
