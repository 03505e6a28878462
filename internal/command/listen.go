package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"foregate/internal/config"
	"foregate/proxy"
	"foregate/proxy/admin"
)

// listen binds every address before any is served, so that a taken port is one
// clear error at the start.
func (fg *running) listen(file *config.File) error {
	sockets, err := takeOver()
	if err != nil {
		return err
	}
	limits := proxy.ServerLimits{
		HeaderTimeout: file.Limits.HeaderTimeout, IdleTimeout: file.Limits.IdleTimeout, MaxHeaderBytes: file.Limits.MaxHeaderBytes,
	}
	if file.Listen.HTTPS != "" {
		l, err := sockets.take("https", file.Listen.HTTPS)
		if err != nil {
			return err
		}
		secure := fg.certs.Config()
		if file.Listen.HTTP3 {
			socket, err := sockets.takePackets(l.Addr().String())
			if err == nil {
				fg.server.Announce(publicPort(file))
				err = fg.serveHTTP3(fg.server.HTTPServer(limits), socket, secure)
			}
			if err != nil {
				return errors.Join(err, l.Close())
			}
		}
		srv := fg.server.HTTPServer(limits)
		srv.ConnState = fg.capacity.note
		fg.run(srv, tls.NewListener(fg.capacity.bound(l, "https", fg.metrics), secure), "https")
	}
	if file.Listen.HTTP != "" {
		l, err := sockets.take("http", file.Listen.HTTP)
		if err != nil {
			return err
		}
		srv := fg.server.HTTPServer(limits)
		if file.Listen.HTTPS != "" {
			srv.Handler = fg.certs.Challenges(fg.server.ToHTTPS(publicPort(file)))
		}
		srv.ConnState = fg.capacity.note
		fg.run(srv, fg.capacity.bound(l, "http", fg.metrics), "http")
	}
	if file.Listen.Admin != "" && file.Listen.Admin != "off" {
		l, err := sockets.take("admin", file.Listen.Admin)
		if err != nil {
			return err
		}
		srv := fg.server.HTTPServer(limits)
		srv.Handler = fg.admin
		if l, err = adminTLS(file.Admin.TLS, l); err != nil {
			return err
		}
		fg.run(srv, l, "admin")
	}
	if file.Listen.ExtAuthz != "" {
		l, err := bind("listen.ext_authz", file.Listen.ExtAuthz)
		if err != nil {
			return err
		}
		srv := fg.server.HTTPServer(limits)
		srv.Handler = fg.server.ExtAuthz()
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetUnencryptedHTTP2(true)
		fg.run(srv, l, "ext_authz")
	}
	if err := sockets.rest(); err != nil {
		return err
	}
	if fg.certs != nil {
		if err := fg.certs.Begin(); err != nil {
			return err
		}
	}
	return fg.listenSocket(adminSocket(file))
}

// listenSocket is for the operator's commands. A default path that is too long for
// a socket is no reason not to serve.
func (fg *running) listenSocket(path string) error {
	if path == "" {
		return nil
	}
	l, err := admin.ListenSocket(path)
	if errors.Is(err, syscall.EINVAL) {
		fg.log.Warn("no admin socket: the path is too long; set listen.admin_socket", "path", path)
		return nil
	}
	if err != nil {
		return err
	}
	fg.run(&http.Server{
		Handler: fg.api.For(admin.OfSocket), ConnContext: admin.SocketContext, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(fg.log.Handler(), slog.LevelDebug),
	}, l, "operator")
	return nil
}

func bind(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}

func (fg *running) run(srv *http.Server, l net.Listener, what string) {
	s := &served{Server: srv, listener: l, over: make(chan struct{})}
	if what == "http" || what == "https" || what == "ext_authz" {
		fg.public = append(fg.public, s)
	} else {
		fg.private = append(fg.private, s)
	}
	fg.log.Info("listening", "for", what, "address", l.Addr().String())
	go func() {
		defer close(s.over)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) && !s.leaving.Load() {
			fg.failed <- fmt.Errorf("%s listener: %w", what, err)
		}
	}()
}

// stop ends what runs without waiting for a balancer.
func (fg *running) stop() {
	fg.depart(context.Background())
	fg.close()
}

// close ends what requests need, when there are none any more: it writes what
// sessions still have to write and closes the store.
func (fg *running) close() {
	if fg.certs != nil {
		fg.certs.Close()
	}
	if fg.background != nil {
		fg.background()
		<-fg.idle
	}
	if fg.secrets.stop != nil {
		fg.secrets.stop()
		fg.secrets.resealing.Wait()
	}
	if fg.set != nil {
		closeSet(fg.set)
	}
	fg.post.close()
	if fg.sessions != nil {
		_ = fg.sessions.Close()
	}
	if fg.visits != nil {
		fg.visits.Close()
	}
	if fg.people != nil {
		_ = fg.people.Close()
	}
	if fg.store != nil {
		_ = fg.store.Close()
	}
	if fg.tracer != nil {
		if err := fg.tracer.Close(); err != nil {
			fg.log.Warn("last traces not sent", "error", err)
		}
	}
	if fg.access != nil {
		_ = fg.access.Close()
	}
	fg.log.Info("stopped")
}
