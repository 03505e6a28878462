package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

// Rules say who may use the operator's side, beside the owner of the socket.
type Rules struct {
	Tokens  []Token
	Allowed []Allowed
}

// Token lets in who knows it: scripts, and people without an account.
type Token struct {
	Name         string
	Role         Role
	Organisation string
	Secret       authn.Secret
}

// Allowed lets in accounts that have a password here. One of User, Email and Group
// says whose. An account matches only if it is of Organisation itself, or of none
// where that is empty: else whoever keeps the accounts of an organisation could make
// one that rules over all.
type Allowed struct {
	User, Email, Group string
	Role               Role
	Organisation       string
}

// errNobody means that a request does not show who makes it.
var errNobody = errors.New("sign in first: send an admin token or a pass as bearer token")

// Guard tells who makes a request on the admin listener.
type Guard struct {
	accounts *accounts.Accounts // nil: no account may be let in
	tries    authn.Tries
	sealing  atomic.Pointer[passBox]
	out      signedOut
	log      *slog.Logger
	now      func() time.Time
	rules    atomic.Pointer[guarded]
}

// guarded is Rules as they are looked at.
type guarded struct {
	Rules
	hashes [][sha256.Size]byte // of the tokens
}

// NewGuard returns a Guard that lets nobody in before Use. Keys, 32 bytes each, seal
// passes: the first seals, all open.
func NewGuard(keys [][]byte, people *accounts.Accounts, tries authn.Tries, log *slog.Logger) (*Guard, error) {
	g := &Guard{accounts: people, tries: tries, log: log, now: time.Now}
	if err := g.UseKeys(keys); err != nil {
		return nil, err
	}
	g.Use(Rules{})
	return g, nil
}

// UseKeys puts keys in force, see NewGuard.
func (g *Guard) UseKeys(keys [][]byte) error {
	b, err := newPassBox(keys)
	if err == nil {
		g.sealing.Store(&b)
	}
	return err
}

func (g *Guard) box() passBox { return *g.sealing.Load() }

// Use puts rules in force, also for who is signed in.
func (g *Guard) Use(r Rules) {
	next := &guarded{Rules: r}
	for _, t := range r.Tokens {
		next.hashes = append(next.hashes, sha256.Sum256([]byte(t.Secret.Reveal())))
	}
	g.rules.Store(next)
}

// who tells who makes a request: by a bearer token (RFC 6750, section 2.1), which is an
// admin token or a pass, or by the pass in the console's cookie. Its error is errNobody,
// or that of a database that does not answer.
func (g *Guard) who(r *http.Request) (Who, error) {
	text, bearer := bearerOf(r)
	if !bearer {
		c, err := r.Cookie(passCookie(r))
		if err != nil {
			return Who{}, errNobody
		}
		text = c.Value
	} else if t := g.token(text); t != nil {
		return t.who(), nil
	}
	p, err := g.open(text)
	if err != nil {
		return Who{}, errNobody
	}
	return g.holder(r.Context(), p)
}

func bearerOf(r *http.Request) (string, bool) {
	scheme, text, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	return strings.TrimSpace(text), true
}

// token is the one that text is, or nil. All are compared, whether one fits or not.
func (g *Guard) token(text string) *Token {
	rules := g.rules.Load()
	sum := sha256.Sum256([]byte(text))
	found := -1
	for i := range rules.hashes {
		if subtle.ConstantTimeCompare(sum[:], rules.hashes[i][:]) == 1 {
			found = i
		}
	}
	if found < 0 || text == "" {
		return nil
	}
	return &rules.Tokens[found]
}

func (t *Token) who() Who {
	return Who{Actor: "token " + t.Name, Role: t.Role, Organisation: t.Organisation}
}

// holder is who a pass is of now: a token that was removed, or an account that was
// disabled or has another password, opens nothing any more.
func (g *Guard) holder(ctx context.Context, p pass) (Who, error) {
	if p.Account == "" {
		rules := g.rules.Load()
		for i := range rules.Tokens {
			if t := &rules.Tokens[i]; t.Name == p.Token && p.proves(t.Secret.Reveal()) {
				return t.who(), nil
			}
		}
		return Who{}, errNobody
	}
	if g.accounts == nil {
		return Who{}, errNobody
	}
	account, err := g.accounts.Get(ctx, p.Account)
	if errors.Is(err, accounts.ErrNotFound) {
		return Who{}, errNobody
	}
	if err != nil {
		return Who{}, err
	}
	c, err := g.accounts.Credential(ctx, nameOf(&account))
	if err != nil {
		return Who{}, err
	}
	if c.Account.ID != p.Account || !c.Open || !p.proves(c.Hash) {
		return Who{}, errNobody
	}
	return g.allowed(ctx, &c.Account)
}

// nameOf is what an account is found by when somebody signs in.
func nameOf(a *accounts.Account) string {
	if a.Username != "" {
		return a.Username
	}
	return a.Email
}

// allowed is what the first rule that fits an account makes of it.
func (g *Guard) allowed(ctx context.Context, a *accounts.Account) (Who, error) {
	for _, rule := range g.rules.Load().Allowed {
		if rule.Organisation != a.Organisation {
			continue
		}
		fits, err := g.fits(ctx, &rule, a)
		if err != nil {
			return Who{}, err
		}
		if fits {
			return Who{Actor: "admin " + nameOf(a), Role: rule.Role, Organisation: rule.Organisation}, nil
		}
	}
	return Who{}, errNobody
}

func (g *Guard) fits(ctx context.Context, rule *Allowed, a *accounts.Account) (bool, error) {
	switch {
	case rule.User != "":
		return sameCanonical(accounts.Canonical, rule.User, a.Username), nil
	case rule.Email != "":
		return sameCanonical(accounts.CanonicalEmail, rule.Email, a.Email), nil
	case rule.Group != "":
		groups, _, err := g.accounts.Groups(ctx, accounts.GroupQuery{Organisation: a.Organisation, Name: rule.Group, Member: a.ID, Limit: 1})
		if err != nil {
			return false, fmt.Errorf("groups of an administrator: %w", err)
		}
		return len(groups) > 0, nil
	}
	return false, nil
}

func sameCanonical(form func(string) (string, error), a, b string) bool {
	x, errA := form(a)
	y, errB := form(b)
	return errA == nil && errB == nil && x == y
}
