package ldap

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

const (
	maxGroups = 20_000 // of one person
	maxOneAsk = 50     // groups that are asked about in one search

	inChain = "1.2.840.113556.1.4.1941" // LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS, section 3.1.1.3.4.4.3)
)

// group is one group. Its name is empty if it was not read yet.
type group struct{ dn, name string }

// groups finds the groups of people, on one connection.
type groups struct {
	*Method
	c *conn

	// above holds for each group those that it is in, by the DN's key. It is kept
	// while many people are asked about, and nil for a single one.
	above   map[string][]group
	primary map[uint32]group // Active Directory's primary groups, likewise
}

// groupsOf looks the groups of one person up.
func (m *Method) groupsOf(ctx context.Context, p *person) ([]string, error) {
	if m.cfg.Groups.From == fromNone {
		return nil, nil
	}
	var names []string
	err := m.searches.with(ctx, true, func(ctx context.Context, c *conn) error {
		var err error
		names, err = (&groups{Method: m, c: c}).of(ctx, p)
		return err
	})
	return names, err
}

// of returns the names of all groups of p, sorted. An error is never fewer groups:
// which one is missing might be the one that forbids something.
func (g *groups) of(ctx context.Context, p *person) ([]string, error) {
	direct, err := g.direct(ctx, p)
	if err != nil {
		return nil, err
	}
	all, err := g.closure(ctx, direct)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for _, one := range all {
		name := one.dn
		if g.cfg.Groups.Name == nameCN {
			name = one.name
		}
		if name != "" && g.kept(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (m *Method) kept(name string) bool {
	if len(m.cfg.Groups.Keep) == 0 {
		return true
	}
	return slices.ContainsFunc(m.cfg.Groups.Keep, func(pattern string) bool {
		// A slash is part of a name, and to path.Match the end of what * stands for.
		ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
		return ok
	})
}

// direct are the groups that a person is in themself, with in_chain also all above.
func (g *groups) direct(ctx context.Context, p *person) ([]group, error) {
	switch g.cfg.Groups.From {
	case fromInChain:
		return g.inChain(ctx, p)
	case fromMemberOf:
		return g.memberOf(ctx, p)
	case fromMembers:
		return g.search(ctx, g.memberFilter(p))
	}
	return nil, nil
}

func (g *groups) memberFilter(p *person) string {
	filter := g.isMember(p.dn)
	if uid := first(p.entry, "uid"); uid != "" { // posixGroup of RFC 2307
		filter += "(memberUid=" + ldap.EscapeFilter(uid) + ")"
	}
	return filter
}

func (m *Method) isMember(dn string) string {
	dn = ldap.EscapeFilter(dn)
	if m.cfg.Preset == presetAD {
		return "(member=" + dn + ")"
	}
	return "(member=" + dn + ")(uniqueMember=" + dn + ")"
}

// inChain asks Active Directory for the groups of a person and of their primary
// group, which has no members in the directory. For many people the groups above are
// found once and for all by closure instead.
func (g *groups) inChain(ctx context.Context, p *person) ([]group, error) {
	var all []group
	main, err := g.primaryOf(ctx, p)
	if err != nil {
		return nil, err
	}
	if main.dn != "" {
		all = append(all, main)
	}
	if g.above != nil {
		direct, err := g.memberOf(ctx, p)
		return append(all, direct...), err
	}
	rule := "member"
	if g.cfg.Groups.Nesting == nestingWalk {
		rule += ":" + inChain + ":"
	}
	filter := "(" + rule + "=" + ldap.EscapeFilter(p.dn) + ")"
	if main.dn != "" && g.cfg.Groups.Nesting == nestingWalk {
		filter += "(" + rule + "=" + ldap.EscapeFilter(main.dn) + ")"
	}
	found, err := g.search(ctx, filter)
	return append(all, found...), err
}

// primaryOf is the primary group of an account of Active Directory; none if it is
// not below groups.base_dn.
func (g *groups) primaryOf(ctx context.Context, p *person) (group, error) {
	number, err := strconv.ParseUint(first(p.entry, "primaryGroupID"), 10, 32)
	if err != nil {
		return group{}, errors.New("the entry has no primaryGroupID, or bind_dn may not read it")
	}
	id := uint32(number)
	if known, ok := g.primary[id]; ok {
		return known, nil
	}
	sid := siblingSID(p.entry.GetEqualFoldRawAttributeValue("objectSid"), id)
	if sid == nil {
		return group{}, errors.New("the entry has no objectSid, or bind_dn may not read it")
	}
	found, err := g.search(ctx, "(objectSid="+escaped(sid)+")")
	if err != nil {
		return group{}, err
	}
	var main group
	if len(found) > 0 {
		main = found[0]
	}
	if g.primary != nil {
		g.primary[id] = main
	}
	return main, nil
}

// memberOf reads the attribute memberOf.
func (g *groups) memberOf(ctx context.Context, p *person) ([]group, error) {
	values, err := g.c.ranged(ctx, g.cfg.Timeouts.Bind, p.entry, "memberOf")
	if err != nil {
		return nil, err
	}
	if len(values) > maxGroups {
		return nil, fmt.Errorf("more than %d groups", maxGroups)
	}
	var all []group
	base, err := ldap.ParseDN(g.cfg.Groups.BaseDN)
	if err != nil {
		return nil, err
	}
	for _, dn := range values {
		parsed, err := ldap.ParseDN(dn)
		if err != nil {
			return nil, fmt.Errorf("memberOf %q: %w", dn, err)
		}
		if !base.AncestorOfFold(parsed) {
			continue
		}
		one := group{dn: dn}
		if rdn := parsed.RDNs[0].Attributes; len(rdn) == 1 && strings.EqualFold(rdn[0].Type, "cn") {
			one.name = rdn[0].Value
		} else if one, err = g.read(ctx, dn); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// read reads one group by its DN.
func (g *groups) read(ctx context.Context, dn string) (group, error) {
	r := ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"cn"}, nil)
	result, err := g.c.search(ctx, g.cfg.Timeouts.Bind, r)
	if err != nil {
		return group{}, fmt.Errorf("read group %q: %w", dn, err)
	}
	if len(result.Entries) != 1 {
		return group{}, fmt.Errorf("group %q cannot be read", dn)
	}
	return group{dn: dn, name: first(result.Entries[0], "cn")}, nil
}

// search finds groups that fit one of several filters.
func (g *groups) search(ctx context.Context, any string) ([]group, error) {
	filter := "(&" + g.cfg.Groups.Filter + "(|" + any + "))"
	r := ldap.NewSearchRequest(g.cfg.Groups.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"cn"}, nil)
	var all []group
	err := g.c.paged(ctx, g.cfg.Timeouts.Bind, g.cfg.PageSize, r, func(e *ldap.Entry) error {
		if len(all) >= maxGroups {
			return fmt.Errorf("more than %d groups", maxGroups)
		}
		all = append(all, group{dn: e.DN, name: first(e, "cn")})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("search for groups: %w", err)
	}
	return all, nil
}

// closure adds the groups above, each once, so that groups in a circle end.
func (g *groups) closure(ctx context.Context, direct []group) ([]group, error) {
	walk := g.cfg.Groups.Nesting == nestingWalk && (g.cfg.Groups.From != fromInChain || g.above != nil)
	seen := make(map[string]bool)
	var all []group
	for level := direct; len(level) > 0; {
		var fresh []group
		for _, one := range level {
			if key := dnKey(one.dn); !seen[key] {
				seen[key] = true
				fresh = append(fresh, one)
			}
		}
		if all = append(all, fresh...); len(all) > maxGroups {
			return nil, fmt.Errorf("more than %d groups", maxGroups)
		}
		if !walk {
			break
		}
		var err error
		if level, err = g.parents(ctx, fresh); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parents are the groups that some groups are in.
func (g *groups) parents(ctx context.Context, of []group) ([]group, error) {
	var all []group
	if g.above == nil {
		for some := range slices.Chunk(of, maxOneAsk) {
			var filter strings.Builder
			for _, one := range some {
				filter.WriteString(g.isMember(one.dn))
			}
			found, err := g.search(ctx, filter.String())
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	for _, one := range of {
		key := dnKey(one.dn)
		found, known := g.above[key]
		if !known {
			var err error
			if found, err = g.search(ctx, g.isMember(one.dn)); err != nil {
				return nil, err
			}
			g.above[key] = found
		}
		all = append(all, found...)
	}
	return all, nil
}

// dnKey is the same for the spellings of a DN.
func dnKey(dn string) string {
	if parsed, err := ldap.ParseDN(dn); err == nil {
		dn = parsed.String()
	}
	return strings.ToLower(dn)
}
