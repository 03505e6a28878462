package local

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAgain is how often users_file is looked at, and so how soon a disabled
// user can no longer sign in.
const lookAgain = time.Second

// users is the directory of a users file and of users in the configuration.
type users struct {
	file   string // empty: none
	inline []User
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	looked time.Time   // when the file was last looked at
	seen   os.FileInfo // the file that book was read from; nil: read it anew
	fault  string      // what was last logged of a file that cannot be used
	book   *book
}

func openUsers(file string, inline []User, log *slog.Logger, now func() time.Time) (*users, error) {
	u := &users{file: file, inline: inline, log: log, now: now, looked: now()}
	if file != "" {
		// Looked at before it is read: a change in between shows next time.
		u.seen, _ = os.Stat(file)
	}
	var err error
	if u.book, err = readBook(file, inline); err != nil {
		return nil, err
	}
	u.tell()
	return u, nil
}

func (u *users) lookUp(_ context.Context, name string) (account, error) {
	b := u.current()
	if acct, ok := b.accounts[name]; ok {
		acct.key = name
		return acct, nil
	}
	return account{key: name, digest: b.decoy}, nil
}

// current returns the users as the file has them now.
func (u *users) current() *book {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if u.file == "" || now.Sub(u.looked) < lookAgain {
		return u.book
	}
	u.looked = now
	info, err := os.Stat(u.file)
	if err != nil {
		return u.keep(err)
	}
	if u.seen != nil && os.SameFile(info, u.seen) && info.Size() == u.seen.Size() && info.ModTime().Equal(u.seen.ModTime()) {
		return u.book
	}
	b, err := readBook(u.file, u.inline)
	if err != nil {
		return u.keep(err)
	}
	u.book, u.seen, u.fault = b, info, ""
	u.tell()
	return u.book
}

// keep goes on with the users as they were. It logs a fault once, however often
// the file is tried.
func (u *users) keep(err error) *book {
	u.seen = nil
	if err.Error() != u.fault {
		u.fault = err.Error()
		u.log.Error("users file cannot be used, the users stay as they were", "file", u.file, "err", err)
	}
	return u.book
}

func (u *users) tell() {
	u.log.Info("users read", "file", u.file, "users", len(u.book.accounts))
	if len(u.book.accounts) == 0 {
		u.log.Warn("there are no users, so nobody can sign in with a password", "file", u.file)
	}
	if u.book.mixed {
		u.log.Warn("users have password hashes of several kinds, so the time of a sign-in tells that an account exists", "file", u.file)
	}
}
