package command

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/internal/certificates"
	"foregate/internal/config"
	"foregate/internal/resolve"
	"foregate/internal/traces"
	"foregate/proxy"
	"foregate/proxy/admin"
	"foregate/proxy/pages"
	"foregate/upstream"
)

func (sh *shell) serveCommand() *cobra.Command {
	var path string
	var newSecrets bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return sh.serve(cmd.Context(), path, newSecrets) },
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&newSecrets, "new-secrets", false, "start although session.secrets has none of the secrets that sealed the sessions in the store: everybody has to sign in again")
	return cmd
}

// serve runs until ctx ends, and reloads the file on SIGHUP and when it or what it
// names has changed.
func (sh *shell) serve(ctx context.Context, path string, newSecrets bool) error {
	files := watch(path)
	file, err := sh.load(path)
	if err != nil {
		return err
	}
	files.use(file)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before it serves: a signal that comes early must not end it
	defer signal.Stop(hup)
	ends := make(chan os.Signal, 3)
	signal.Notify(ends, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(ends)
	fg, err := start(file, sh.Tables, sh.err, newSecrets)
	if err != nil {
		return err
	}
	announce(sh.err, fg.log, file)
	notify(daemon.SdNotifyReady)
	watchdog, endWatchdog := alive()
	defer endWatchdog()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-hup:
			fg.reload(sh, path, files)
		case <-watchdog:
			notify(daemon.SdNotifyWatchdog)
		case <-tick.C:
			if files.due() {
				fg.reload(sh, path, files)
			}
		case err := <-fg.failed:
			fg.stop()
			return err
		case <-ctx.Done():
			fg.leave(ends)
			return nil
		}
	}
}

// running is a Foregate that serves.
type running struct {
	server     *proxy.Server
	admin      *admin.Listener
	api        *admin.API
	guard      *admin.Guard
	file       atomic.Pointer[config.File] // that is in force
	started    *config.File                // the one at the start: what belongs to the process is as it says
	log        *slog.Logger
	level      *admin.LogLevel
	tracer     *traces.Tracer // nil unless OTEL_* variables ask for it
	builder    builder
	secrets    secretsInForce
	sessions   *cookies.Sessions
	accounts   *accounts.Accounts // nil where nobody needs one
	visits     *accounts.Tally    // nil without accounts
	people     io.Closer
	store      io.Closer
	access     io.Closer
	refresher  *refresher
	background context.CancelFunc // ends what goes on beside requests; nil without it
	idle       chan struct{}      // closed when it has ended
	metrics    *admin.Metrics
	post       post
	public     []*served            // of people
	private    []*served            // of the operator; they end last
	quic       *quicServed          // nil without HTTP/3
	certs      *certificates.Keeper // nil without https
	failed     chan error
	set        *proxy.Set
	retired    retired
	tunnels    upstream.Tunnels
	faults     admin.Faults
	capacity   *capacity
}

// start opens everything that the file names and begins to listen. It does not
// wait for any provider.
func start(file *config.File, tables Tables, errs io.Writer, newSecrets bool) (*running, error) {
	tuneMemory()
	log.SetOutput(io.Discard) // net/http writes there what a peer sent unasked; our own lines go through fg.log
	fg := &running{started: file, level: new(admin.LogLevel), failed: make(chan error, 4)}
	fg.level.Use(levelOf(file.Log))
	fg.log = newLogAt(fg.level, file.Log, errs)
	for _, w := range file.Warnings {
		fg.log.Warn("configuration", "warning", w.String())
	}
	resolve.LogTo(fg.log)
	fg.metrics = admin.NewMetrics(version)
	opened, err := tables.Store(file.Storage, fg.log)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	store, err := fg.watched(opened)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	fg.store = store
	if err := fg.open(file, tables, opened, store, errs); err != nil {
		fg.stop()
		return nil, err
	}
	if err := fg.attest(newSecrets); err != nil {
		fg.stop()
		return nil, err
	}
	if err := fg.listen(file); err != nil {
		fg.stop()
		return nil, err
	}
	debug.FreeOSMemory() // reading the file and the pages took what serving does not need
	forgetStart()
	return fg, nil
}

// tuneMemory trades some memory for fewer collections, unless GOGC says otherwise.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(150)
	}
}

func (fg *running) open(file *config.File, tables Tables, opened, store Store, errs io.Writer) error {
	secrets, err := sessionSecrets(file.Session.Secrets, string(file.Storage.Path))
	if err != nil {
		return err
	}
	cookie := cookies.Config{
		Secrets: secrets, Name: file.Session.Cookie.Name, Domain: file.Session.Cookie.Domain,
		Persistent: file.Session.Cookie.Persistent, Log: fg.log,
	}
	fg.secrets.ctx, fg.secrets.stop = context.WithCancel(context.Background())
	if fg.sessions, err = cookies.New(store, cookie); err != nil {
		return err
	}
	if err := fg.openAccounts(file, tables, opened, secrets); err != nil {
		return err
	}
	attempts, err := cookies.NewAttempts(cookie)
	if err != nil {
		return err
	}
	signer, err := signerOf(secrets)
	if err != nil {
		return err
	}
	fg.secrets.list, fg.secrets.written, fg.secrets.attempts = secrets, len(file.Session.Secrets) > 0, attempts
	fg.secrets.signer.Store(signer)
	page, err := pages.New()
	if err != nil {
		return err
	}
	var access *slog.Logger
	if file.Log.Access {
		l := newLines(errs)
		fg.access = l
		access = newLog(config.Log{Format: file.Log.Format, Level: "info"}, l)
	}
	spent := cookies.Spent{Store: store}
	fg.builder = builder{
		sessions: fg.sessions, once: spent, tries: cookies.Tries{Counter: store}, signer: signer, log: fg.log,
		secrets: secrets, accounts: fg.accounts, tunnels: &fg.tunnels,
	}
	codes, err := fg.builder.codes()
	if err != nil {
		return err
	}
	fg.secrets.codes = codes
	cfg := proxy.Config{
		Accounts: fg.accounts, Codes: codes, Mail: &fg.post,
		Prefix: file.Prefix, Trusted: file.TrustedProxies, CertHeader: file.CertHeader, MaxForm: int64(file.Limits.MaxFormBytes),
		MaxTarget: file.Limits.MaxURLBytes, Patience: file.Limits.BodyTimeout, Keys: fg.jwks, KeepPosts: file.Session.Keep, HSTS: hstsOf(file.TLS.HSTS),
		Sessions: fg.sessions, Attempts: attempts, Tries: fg.builder.tries, Pages: page, Metrics: fg.metrics, Faults: &fg.faults, Log: fg.log, Access: access,
	}
	if fg.tracer != nil { // a nil *Tracer would be a Tracer
		cfg.Tracer = fg.tracer
	}
	if fg.visits != nil {
		cfg.Visits = fg.visits
	}
	fg.server = proxy.New(cfg)
	fg.builder.onError = fg.server.UpstreamFailed
	fg.post.figures(fg.metrics)
	fg.metrics.Upstreams(fg.upstreamStates)
	fg.metrics.Certificates(fg.certificateEnds)
	fg.metrics.RevocationLists(fg.listEnds)
	fg.capacity = newCapacity(fg.log)
	fg.capacity.figures(fg.metrics)
	fg.metrics.Gauge("foregate_sessions", "Sessions in this process's memory.", func() float64 { return float64(fg.sessions.Cached()) })
	if fg.accounts != nil {
		fg.refresher = newRefresher(fg.accounts, spent, func() *proxy.Set { return fg.server.Set() }, fg.log, fg.metrics.Directories())
		ctx, cancel := context.WithCancel(context.Background())
		fg.background, fg.idle = cancel, make(chan struct{})
		go func() { defer close(fg.idle); fg.refresher.run(ctx) }()
	}
	if err := fg.openAdmin(file, store, secrets); err != nil {
		return err
	}
	if file.Listen.HTTPS != "" {
		var authority *certificates.ACME
		if file.TLS.ACME != nil {
			if err := fg.secrets.seals.use(secrets); err != nil {
				return err
			}
			authority = authorityOf(file, store, &fg.secrets.seals)
		}
		if fg.certs, err = certificates.New(fg.log, authority); err != nil {
			return err
		}
	}
	return fg.swap(file)
}

// attest refuses to start with secrets that would sign everybody out. A store that
// is not there yet cannot be asked.
func (fg *running) attest(newSecrets bool) error {
	ctx := context.Background()
	if newSecrets {
		if err := fg.sessions.AcceptSecrets(ctx); err != nil {
			return err
		}
	}
	err := fg.sessions.Attest(ctx)
	if errors.Is(err, cookies.ErrForeignSecret) {
		return usageError{fmt.Errorf("session.secrets: %w, so everybody would be signed out.\nPut the secret from before behind the new one; or, if nobody needs to stay signed in, start once with: foregate serve --new-secrets", err)}
	}
	if err != nil {
		fg.log.Warn("session secrets not compared with the store", "err", err)
	}
	return nil
}

// signerOf derives the keys of the signed assertion from the session secrets, so
// that replicas which share those publish the same keys.
func signerOf(secrets [][]byte) (*upstream.Signer, error) {
	var keys []*ecdsa.PrivateKey
	for _, s := range secrets {
		k, err := upstream.DeriveKey(s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return upstream.NewSigner(keys)
}

// jwks are the public keys of the signed assertion.
func (fg *running) jwks() []byte { return fg.secrets.signer.Load().JWKS() }

// swap puts the apps and methods of file in force.
func (fg *running) swap(file *config.File) (err error) {
	secrets, err := fg.rotation(file)
	if err != nil {
		return err
	}
	before := fg.builder
	defer func() {
		if err != nil {
			fg.builder = before
		}
	}()
	fg.builder.file = file
	if secrets != nil {
		fg.builder.secrets = secrets
		if fg.builder.signer, err = signerOf(secrets); err != nil {
			return err
		}
	}
	mailer, err := fg.mailer(file)
	if err != nil {
		return err
	}
	fg.builder.mail = nil
	if mailer != nil {
		fg.builder.mail = mailer
	}
	if file.NeedsAccounts() && fg.accounts == nil {
		return errors.New("accounts were not needed when Foregate started: restart it, so that it opens their database")
	}
	set, err := fg.builder.set()
	if err != nil {
		return err
	}
	for _, m := range set.Methods() {
		if err := m.Open(); err != nil {
			closeSet(set)
			return err
		}
	}
	if mailer != nil {
		if err := mailer.Use(*file.Mail); err != nil {
			closeSet(set)
			return err
		}
	}
	if fg.certs != nil {
		if err := fg.certs.Use(pairsOf(file.TLS), hostsOf(file)); err != nil {
			closeSet(set)
			return err
		}
		fg.certs.Ask(clientsOf(set))
	}
	old := fg.server.Swap(set)
	fg.guard.Use(rulesOfAdmin(file))
	fg.file.Store(file)
	fg.level.Use(levelOf(file.Log))
	fg.set = set
	fg.retired.add(old)
	if secrets != nil {
		return fg.rotate(secrets, fg.builder.signer)
	}
	return nil
}

// reload reads the file again. A broken one changes nothing. What belongs to the
// process (listeners, storage) needs a restart.
func (fg *running) reload(sh *shell, path string, files *watcher) {
	notifyReloading()
	defer notify(daemon.SdNotifyReady)
	file, err := sh.load(path)
	if err == nil {
		files.use(file)
		err = fg.swap(file)
	}
	fg.metrics.Reloaded(err == nil)
	if err != nil {
		fg.log.Error("configuration not reloaded; the one before stays in force", "reason", err.Error())
		return
	}
	for _, w := range file.Warnings { // a way in that was opened just now is one
		fg.log.Warn("configuration", "warning", w.String())
	}
	if kept := needRestart(fg.started, file); len(kept) > 0 {
		fg.log.Warn("changed in the configuration, but in force only after a restart", "keys", kept)
	}
	fg.log.Info("configuration reloaded", "methods", len(file.Methods), "apps", len(file.Apps))
}
