package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"foregate/authn"
	"foregate/internal/lockout"
)

// maxUsersFile bounds what is read: some fifty thousand users.
const maxUsersFile = 16 << 20

// book is all users at one moment.
type book struct {
	accounts map[string]account // by canonical name
	decoy    digest             // what an unknown name is compared with
	mixed    bool               // hashes of several kinds
}

// entry is a User as users_file has it.
type entry struct {
	User          string   `yaml:"user"`
	PasswordHash  string   `yaml:"password_hash"`
	Name          string   `yaml:"name"`
	Email         string   `yaml:"email"`
	EmailVerified bool     `yaml:"email_verified"`
	Groups        []string `yaml:"groups"`
	Disabled      bool     `yaml:"disabled"`
}

// listed is a user and where it stands: "users_file: /etc/users.yaml:7", "users[2]".
type listed struct {
	User
	path, place string
}

// readBook puts the users of a file, if there is one, and of the configuration
// together. It returns all faults at once.
func readBook(file string, inline []User) (*book, error) {
	people := make([]listed, 0, len(inline))
	for i, u := range inline {
		people = append(people, listed{User: u, path: fmt.Sprintf("users[%d]", i)})
	}
	if file == "" {
		return newBook(people)
	}
	data, err := readFile(file)
	if err != nil {
		return nil, &authn.Fault{Path: "users_file", Problem: err.Error()}
	}
	more, err := parseUsers(file, data)
	if err != nil {
		return nil, err
	}
	return newBook(append(people, more...))
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxUsersFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxUsersFile>>20)
	}
	return data, nil
}

// parseUsers reads the list of a users file.
func parseUsers(file string, data []byte) ([]listed, error) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc, yaml.WithUniqueKeys()); err != nil {
		return nil, unreadable(file, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.SequenceNode {
		return nil, &authn.Fault{Path: "users_file", Problem: file + ":1: no list of users", Remedy: `begin each user with "- user: NAME"`}
	}
	var (
		people []listed
		faults []error
	)
	for _, item := range doc.Content[0].Content {
		var e entry
		if err := item.Load(&e, yaml.WithKnownFields(), yaml.WithUniqueKeys()); err != nil {
			faults = append(faults, unreadable(file, err))
			continue
		}
		people = append(people, listed{path: "users_file", place: fmt.Sprintf("%s:%d: ", file, item.Line), User: User{
			User: e.User, PasswordHash: authn.NewSecret(e.PasswordHash), Name: e.Name, Email: e.Email,
			EmailVerified: e.EmailVerified, Groups: e.Groups, Disabled: e.Disabled,
		}})
	}
	return people, errors.Join(faults...)
}

// unreadable gives each error of the YAML library its place in the file.
func unreadable(file string, err error) error {
	var several *yaml.LoadErrors
	if errors.As(err, &several) {
		faults := make([]error, 0, len(several.Errors))
		for _, one := range several.Errors {
			faults = append(faults, yamlFault(file, one))
		}
		return errors.Join(faults...)
	}
	var one *yaml.LoadError
	if errors.As(err, &one) {
		return yamlFault(file, one)
	}
	return &authn.Fault{Path: "users_file", Problem: file + ": " + err.Error()}
}

func yamlFault(file string, err *yaml.LoadError) error {
	return &authn.Fault{Path: "users_file", Problem: fmt.Sprintf("%s:%d:%d: %s", file, err.Mark.Line, err.Mark.Column, err.Message)}
}

// newBook checks every user.
func newBook(people []listed) (*book, error) {
	b := &book{accounts: make(map[string]account, len(people))}
	var faults []error
	kinds := make(map[string]int)
	for _, p := range people {
		name, acct, err := p.account()
		if err == nil && b.accounts[name].known {
			err = &authn.Fault{Path: p.path, Problem: fmt.Sprintf("%suser %q is there twice, perhaps in another spelling", p.place, p.User.User)}
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		b.accounts[name] = acct
		kinds[acct.digest.kind]++
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	b.mixed = len(kinds) > 1
	return b, b.choose(kinds)
}

// choose makes the decoy the digest of an account of the commonest kind: so an
// unknown name costs to the byte what those accounts cost. That it may match is
// no matter, as the account of an unknown name is closed.
func (b *book) choose(kinds map[string]int) error {
	most := 0
	for _, acct := range b.accounts {
		kind := acct.digest.kind
		// The kind decides between equals, so that each load chooses alike.
		if n := kinds[kind]; n > most || n == most && kind < b.decoy.kind {
			most, b.decoy = n, acct.digest
		}
	}
	if most > 0 {
		return nil
	}
	encoded, err := Hash("nobody has this password, as nobody has an account")
	if err != nil {
		return err
	}
	b.decoy, err = readDigest(encoded)
	return err
}

// account checks one user and gives the canonical name.
func (p listed) account() (string, account, error) {
	fault := func(key, problem, remedy string) error {
		path, place := p.path, p.place
		if place == "" {
			path += "." + key
		}
		return &authn.Fault{Path: path, Problem: place + problem, Remedy: remedy}
	}
	if p.User.User == "" {
		return "", account{}, fault("user", "a user has no name", "write user: NAME")
	}
	name, ok := lockout.Canonical(p.User.User)
	if !ok || strings.ContainsFunc(p.User.User, invisible) || strings.TrimSpace(p.User.User) != p.User.User {
		return "", account{}, fault("user", fmt.Sprintf("user %q has invisible characters, outer spaces or more than %d bytes", p.User.User, maxName), "")
	}
	d, err := readDigest(p.PasswordHash.Reveal())
	if err != nil {
		return "", account{}, fault("password_hash", fmt.Sprintf("password_hash of user %q: %v", p.User.User, err), "make one with: foregate hash-password")
	}
	return name, account{open: !p.Disabled, known: true, person: p.User, digest: d}, nil
}

// invisible tells what two names can differ in and look the same.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
}
