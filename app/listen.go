package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/httpd"
)

// door is a listener and the server behind it. The first of an App's is the
// public one, the second that of the operators.
type door struct {
	net.Listener
	server *http.Server
	// sockets are let in before the server, with secured where that is set.
	sockets bool
	secured *tls.Config
}

// listen opens the doors; nobody is served yet. The operators' one is left out
// where no address is configured.
func (a *App) listen(public, operators http.Handler) error {
	var secured *tls.Config
	if a.cfg.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(a.cfg.TLSCert, a.cfg.TLSKey)
		if err != nil {
			return fmt.Errorf("read the certificate (tls_cert, tls_key): %w", err)
		}
		// WebSocket upgrades are HTTP/1.1.
		secured = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	if err := a.open("listen", a.cfg.Listen, public); err != nil {
		return err
	}
	a.doors[0].sockets, a.doors[0].secured = true, secured
	if a.cfg.AdminListen == "" {
		return nil
	}
	return a.open("admin_listen", a.cfg.AdminListen, operators)
}

// open opens one door at the address that a setting names.
func (a *App) open(setting, address string, h http.Handler) error {
	// Sockets are pinged, and requests have deadlines: the system needs not ask
	// whether who is there is alive.
	system := net.ListenConfig{KeepAlive: -1}
	l, err := system.Listen(context.Background(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another process listens on %s already (%s): %w", address, setting, syscall.EADDRINUSE)
	case err != nil:
		return fmt.Errorf("%s: %w", setting, err)
	}
	a.doors = append(a.doors, door{Listener: l, server: httpd.NewHTTPServer(h, conn.TLS, a.log)})
	return nil
}

// serve lets clients and operators in.
func (a *App) serve() {
	for _, d := range a.doors {
		l := d.Listener
		if d.sockets {
			l = a.conns.Front(l, d.secured)
		}
		a.wg.Go(func() {
			if err := d.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				a.log.Error("serving ended", "addr", d.Addr().String(), "error", err)
			}
		})
	}
	a.log.Info("listening", "address", a.Addr(), "operators", a.AdminAddr(), "node", a.node)
}

// Addr is the address of the public listener, "127.0.0.1:8080"; empty before
// Start.
func (a *App) Addr() string { return a.addr(0) }

// AdminAddr is that of the operators' listener; empty where there is none.
func (a *App) AdminAddr() string { return a.addr(1) }

func (a *App) addr(i int) string {
	if i >= len(a.doors) {
		return ""
	}
	return a.doors[i].Addr().String()
}
