package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"foregate/internal/config"
	"foregate/proxy"
	"foregate/proxy/admin"
)

func (sh *shell) tryCommand() *cobra.Command {
	var order admin.TryOrder
	cmd := &cobra.Command{
		Use: "try METHOD", Short: "Get a link by which a way to sign in can be tried: nobody is signed in",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name the one method that is to be tried: foregate try entra")}
			}
			return nil
		},
	}
	a := sh.asker(cmd)
	cmd.Flags().StringVar(&order.App, "app", "", "the `app` at which it is tried; the first that offers the method unless given")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var link admin.TryLink
		return a.ask(cmd.Context(), http.MethodPost, "/api/v1/methods/"+url.PathEscape(args[0])+"/try", order, &link, func() error {
			_, err := fmt.Fprintf(a.out, "%s\n", link.URL)
			if err == nil {
				_, err = fmt.Fprintf(a.err, "It works once, until %s.\n", link.Until.Local().Format(time.TimeOnly))
			}
			return err
		})
	}
	return cmd
}

// try gives out a link to a try-out.
func (fg *running) try(ctx context.Context, method, app, actor string) (admin.TryLink, error) {
	host, path, err := fg.server.Ticket(ctx, method, app, actor)
	if errors.Is(err, proxy.ErrNoTry) {
		return admin.TryLink{}, fmt.Errorf("%w: %w", admin.ErrNoTry, err)
	}
	if err != nil {
		return admin.TryLink{}, err
	}
	return admin.TryLink{URL: originOf(fg.file.Load(), host) + path, Until: time.Now().Add(proxy.TryLife).UTC()}, nil
}

// originOf is how browsers come to a host: by our own https or, behind a proxy that is
// trusted, by its; by plain http if there is nothing else.
func originOf(file *config.File, host string) string {
	scheme, listen, usual := "https", file.Listen.HTTPS, "443"
	if listen == "" && len(file.TrustedProxies) > 0 {
		return scheme + "://" + host
	}
	if listen == "" {
		scheme, listen, usual = "http", file.Listen.HTTP, "80"
	}
	if _, _, err := net.SplitHostPort(host); err == nil { // the app's own port
		return scheme + "://" + host
	}
	if _, port, err := net.SplitHostPort(listen); err == nil && port != usual && port != "0" {
		host = net.JoinHostPort(host, port)
	}
	return scheme + "://" + host
}
