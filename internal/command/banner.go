package command

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"foregate/internal/config"
)

// announce says in five lines what is served how, or in one for machines: whoever
// starts Foregate sees at once whether it read the file that they meant.
func announce(w io.Writer, log *slog.Logger, file *config.File) {
	b := bannerOf(file)
	if file.Log.Format != "text" {
		log.Info("serving", "version", version, "apps", b.apps, "methods", b.methods, "listen", b.listen, "storage", b.storage,
			"idle", file.Session.Idle.String(), "lifetime", file.Session.Lifetime.String(), "warnings", len(file.Warnings))
		return
	}
	fmt.Fprintf(w, "Foregate %s serves %d apps by %d sign-in methods, with %d warnings\n", version, len(b.apps), len(b.methods), len(file.Warnings))
	fmt.Fprintf(w, "  apps     %s\n", few(b.apps))
	fmt.Fprintf(w, "  sign-in  %s\n", few(b.methods))
	fmt.Fprintf(w, "  listens  %s\n", few(b.listen))
	fmt.Fprintf(w, "  keeps    %s; sessions end after %s idle, %s in all\n", few(b.storage), file.Session.Idle, file.Session.Lifetime)
}

type banner struct{ apps, methods, listen, storage []string }

func bannerOf(file *config.File) banner {
	var b banner
	for i := range file.Apps {
		a := &file.Apps[i]
		to := "-> " + fmt.Sprint(a.Upstream.URL)
		switch {
		case a.ForwardAuth != nil:
			to = "carried by another proxy"
		case a.Upstream.Folder != "":
			to = "-> " + string(a.Upstream.Folder)
		case a.Upstream.Answer != nil:
			to = "-> a fixed answer"
		}
		b.apps = append(b.apps, fmt.Sprintf("%s (%s) %s", a.Name, strings.Join(a.Hosts, ", "), to))
	}
	for i := range file.Methods {
		b.methods = append(b.methods, fmt.Sprintf("%s (%s)", file.Methods[i].Name, file.Methods[i].Kind))
	}
	quic := ""
	if file.Listen.HTTP3 {
		quic = file.Listen.HTTPS + " (UDP)"
	}
	for _, l := range []struct{ what, at string }{{"https", file.Listen.HTTPS}, {"http3", quic}, {"http", file.Listen.HTTP}, {"ext_authz", file.Listen.ExtAuthz}, {"admin", file.Listen.Admin}} {
		if l.at != "" && l.at != "off" {
			b.listen = append(b.listen, l.what+" "+l.at)
		}
	}
	sessions, accounts := "sessions in "+string(file.Storage.Path), ""
	if r := file.Storage.Redis; len(r.Addresses) > 0 {
		sessions = "sessions in Redis at " + strings.Join(r.Addresses, ", ")
	}
	switch {
	case file.NeedsAccounts() && !file.Storage.Postgres.Empty():
		accounts = "accounts in PostgreSQL"
	case file.NeedsAccounts():
		accounts = "accounts in " + string(file.Storage.Path)
	}
	b.storage = []string{sessions}
	if accounts != "" {
		b.storage = append(b.storage, accounts)
	}
	return b
}

const fewMost = 5

// few keeps a line readable where there are many.
func few(list []string) string {
	if len(list) <= fewMost {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:fewMost], ", "), len(list)-fewMost)
}
