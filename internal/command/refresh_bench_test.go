package command

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/authntest"
	"foregate/authn/ldap"
	"foregate/internal/database"
	"foregate/internal/ldaptest"
)

// BenchmarkRefresh compares the accounts of fifty thousand people with a real directory:
// when nothing has changed, and when 5,000 have another name and 25 are gone.
func BenchmarkRefresh(b *testing.B) {
	const many, changed, gone = 50_000, 5000, 25
	s := ldaptest.StartSlapd(b, ldaptest.Options{People: many, Global: "database monitor\naccess to * by * read"})
	d := directoryOf(b, s)
	people := peopleOfBench(b)
	policy := accounts.Policy{Account: accounts.AccountCreate, Match: accounts.MatchUsername}
	began, n := time.Now(), 0
	err := d.Everybody(b.Context(), func(id authn.Identity, _ bool) error {
		n++
		_, err := people.Admit(b.Context(), policy, id, accounts.Context{})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d accounts made in %v", n, time.Since(began).Round(time.Millisecond))

	compare := func(what string, want accounts.Refreshed) {
		peak, asked, began := watchHeap(), operations(b, s), time.Now()
		got, err := people.Refresh(b.Context(), accounts.Context{Actor: "bench"}, d, accounts.Refreshing{Method: "ward-ad", Policy: policy})
		if err != nil {
			b.Fatal(err)
		}
		want.Seen, want.Linked = got.Seen, got.Seen
		if got.Seen < many-gone || got.Linked != got.Seen || got.Changed != want.Changed || got.Left != want.Left {
			b.Fatalf("%s: %+v", what, got)
		}
		took, mib := time.Since(began), peak()
		b.Logf("%s: %d people in %v, %d changed, %d left; heap at most %d MiB; %d operations of the directory",
			what, got.Seen, took.Round(time.Millisecond), got.Changed, got.Left, mib, operations(b, s)-asked)
		b.ReportMetric(float64(got.Seen)/took.Seconds(), what+"-people/s")
		b.ReportMetric(float64(mib), what+"-MiB")
	}
	compare("same", accounts.Refreshed{})
	l := s.Admin(b)
	for i := range changed {
		r := goldap.NewModifyRequest(ldaptest.PersonDN(fmt.Sprintf("u%05d", i)), nil)
		r.Replace("sn", []string{"Married"})
		if err := l.Modify(r); err != nil {
			b.Fatal(err)
		}
	}
	for i := range gone {
		if err := l.Del(goldap.NewDelRequest(ldaptest.PersonDN(fmt.Sprintf("u%05d", changed+i)), nil)); err != nil {
			b.Fatal(err)
		}
	}
	compare("changed", accounts.Refreshed{Changed: changed, Left: gone})
}

func directoryOf(b *testing.B, s *ldaptest.Slapd) authn.Directory {
	b.Helper()
	c := ldap.Config{
		Preset: "openldap", Servers: []string{s.TLS}, CA: authn.Path(s.PKI.CA), BaseDN: ldaptest.Base,
		BindDN: ldaptest.Service, BindPassword: authn.NewSecret(ldaptest.ServicePassword),
	}
	m, err := c.Open(authntest.NewEnv("ward-ad"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.(*ldap.Method).Close() })
	return m.(authn.Directory)
}

func peopleOfBench(b *testing.B) *accounts.Accounts {
	b.Helper()
	db, err := database.Open(b.Context(), filepath.Join(b.TempDir(), "foregate.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	people, err := accounts.Open(b.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{Log: slog.New(slog.DiscardHandler), OnEnd: func(context.Context, accounts.Ended) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	return people
}

// watchHeap returns what ends it and tells the most heap in use meanwhile, in MiB.
func watchHeap() func() uint64 {
	runtime.GC()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			most = max(most, mem.HeapInuse)
			select {
			case <-stop:
				tick.Stop()
				peak <- most >> 20
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { close(stop); return <-peak }
}

// operations counts what the directory was ever asked, by its own account.
func operations(b *testing.B, s *ldaptest.Slapd) int {
	b.Helper()
	l := s.Admin(b)
	defer l.Close()
	r, err := l.Search(goldap.NewSearchRequest("cn=Operations,cn=Monitor", goldap.ScopeBaseObject, 0, 1, 0, false, "(objectClass=*)", []string{"monitorOpCompleted"}, nil))
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(r.Entries[0].GetAttributeValue("monitorOpCompleted"))
	if err != nil {
		b.Fatal(err)
	}
	return n
}
