package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/config"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/httpd"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/webreq"
	"github.com/parley-chat/parley/relay"
)

// App is one Parley node. Start and Stop are called once each, by one goroutine;
// the rest may be called concurrently after Start.
type App struct {
	cfg  *config.Config
	log  *slog.Logger
	node string

	keys    *auth.Keys
	store   parley.Store
	bus     *natsbus.Bus
	auth    *auth.Authenticator
	engine  *engine.Engine
	relay   *relay.Relay
	hub     *hub.Hub
	conns   *conn.Server
	worker  *agent.Worker
	metrics *prometheus.Registry

	listener, admin net.Listener
	servers         []*http.Server

	draining atomic.Bool
	wg       sync.WaitGroup
	// background ends the workers in the order in which they may end.
	stopWorker, stopEngine, stopRelay context.CancelFunc
	workerDone                        chan struct{}
}

// New makes a node of a configuration; nothing is opened yet. log nil discards.
func New(cfg *config.Config, log *slog.Logger) *App {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &App{cfg: cfg, log: log, node: nodeName(), metrics: prometheus.NewRegistry()}
}

// Start opens the store and the bus, ends what a dead owner left open, and
// serves. On an error everything is closed again.
func (a *App) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			a.close(context.WithoutCancel(ctx))
		}
	}()
	if a.keys, err = OpenKeys(a.cfg); err != nil {
		return err
	}
	if a.store, err = OpenStore(ctx, a.cfg, true); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if a.bus, err = a.openBus(ctx); err != nil {
		return fmt.Errorf("open the bus: %w", err)
	}
	runLog, err := a.bus.RunLog(ctx)
	if err != nil {
		return fmt.Errorf("open the run log: %w", err)
	}
	if a.auth, err = a.openAuth(a.store, a.keys); err != nil {
		return err
	}
	a.build(runLog)
	a.background()
	return a.listen()
}

// build makes the parts that hold no resources yet.
func (a *App) build(runLog parley.RunLog) {
	members := agents(a.cfg)
	a.relay = relay.New(relay.Config{Store: a.store, Bus: a.bus, Logger: a.log})
	a.engine = engine.New(engine.Config{
		Store: a.store, Bus: a.bus, RunLog: runLog, IDs: ids{}, Limits: a.cfg.Limits, Node: a.node,
		// One server to a SQLite file: whoever else owned a run is dead.
		Solo: a.cfg.StoreURL == "", Committed: a.relay.Poke, Agents: agent.Principals(members...),
		EphemeralTypes: a.cfg.EphemeralTypes, Logger: a.log,
	})
	a.worker = agent.New(agent.Config{Store: a.store, Bus: a.bus, Engine: a.engine, Agents: members, Logger: a.log})
	spoken := dialects()
	a.hub = hub.New(hub.Config{Store: a.store, Bus: a.bus, Dialects: spoken, Frame: conn.AppendText, Limits: a.cfg.Limits, Logger: a.log})
	failures := auth.NewFailureLimiter(a.cfg.Limits.FailedAuthPerSec)
	a.conns = conn.New(conn.Config{
		Hub: a.hub, Engine: a.engine, Auth: a.auth, Store: a.store, Dialects: spoken, Limits: a.cfg.Limits,
		Policy:   webreq.Policy{TrustedProxies: a.cfg.TrustedProxies, AllowedOrigins: a.cfg.AllowedOrigins, PublicURL: a.cfg.PublicURL},
		Failures: failures, Logger: a.log, Node: a.node,
	})
	a.auth.OnRevoke(a.conns.Revoke)
	a.countParts()
	doors := httpd.New(httpd.Config{
		Engine: a.engine, Auth: a.auth, Store: a.store,
		Mint:     func(p *parley.Principal) (string, time.Time, error) { return a.keys.MintMessaging(p, 0) },
		MintUser: a.mintUser, Listening: a.hub.Listening, Limits: a.cfg.Limits,
		Sockets: map[string]http.Handler{
			"/realtime": a.conns.Events(), "/ws": a.conns.Shared(), "/ws/": a.conns.Shared(), "/ws/topics": a.conns.Topics(),
		},
		AllowedOrigins: a.cfg.AllowedOrigins, TrustedProxies: a.cfg.TrustedProxies, PublicURL: a.cfg.PublicURL,
		Ready: a.Ready, FailedAuth: failures, Logger: a.log, Metrics: a.metrics,
	})
	a.servers = []*http.Server{httpd.NewHTTPServer(doors.Handler(), a.log), httpd.NewHTTPServer(doors.AdminHandler(), a.log)}
}

func (a *App) mintUser(p *parley.Principal, ttl time.Duration) (token string, expires time.Time, err error) {
	if ttl <= 0 {
		ttl = auth.DefaultAccessTTL
	}
	token, err = a.keys.Mint(auth.Claims{
		Subject: p.ID, Org: p.Org, Kind: p.Kind, Name: p.Name, Email: p.Email, Scopes: p.Scopes.List(), TTL: ttl,
	})
	return token, time.Now().Add(ttl).Truncate(time.Second), err
}

// background starts what runs beside the requests.
func (a *App) background() {
	run := func(name string, fn func(context.Context) error) (stop context.CancelFunc, done chan struct{}) {
		ctx, cancel := context.WithCancel(context.Background())
		done = make(chan struct{})
		a.wg.Go(func() {
			defer close(done)
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("a part of the server ended", "part", name, "error", err)
			}
		})
		return cancel, done
	}
	a.stopRelay, _ = run("relay", a.relay.Run)
	a.stopEngine, _ = run("engine", func(ctx context.Context) error {
		a.wg.Go(func() { a.auth.Watch(ctx) })
		a.wg.Go(func() { a.trim(ctx) })
		return a.engine.Run(ctx)
	})
	a.stopWorker, a.workerDone = run("agents", a.worker.Run)
}

const trimInterval = time.Hour

// trim lets go of events that are older than they are kept.
func (a *App) trim(ctx context.Context) {
	ticker := time.NewTicker(trimInterval)
	defer ticker.Stop()
	for {
		if n, err := a.store.TrimLog(ctx, time.Now().Add(-a.cfg.Limits.LogRetention)); err != nil && ctx.Err() == nil {
			a.log.Warn("trim the log", "error", err)
		} else if n > 0 {
			a.log.Info("the log was trimmed", "events", n)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// listen opens the doors.
func (a *App) listen() (err error) {
	if a.listener, err = net.Listen("tcp", a.cfg.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listeners := []net.Listener{a.listener}
	if a.cfg.AdminListen != "" {
		if a.admin, err = net.Listen("tcp", a.cfg.AdminListen); err != nil {
			return fmt.Errorf("listen for operators: %w", err)
		}
		listeners = append(listeners, a.admin)
	}
	for i, l := range listeners {
		server := a.servers[i]
		a.wg.Go(func() {
			var err error
			if server == a.servers[0] && a.cfg.TLSCert != "" {
				// WebSocket upgrades are HTTP/1.1.
				server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
				err = server.ServeTLS(l, a.cfg.TLSCert, a.cfg.TLSKey)
			} else {
				err = server.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				a.log.Error("serving ended", "addr", l.Addr().String(), "error", err)
			}
		})
	}
	a.log.Info("listening", "address", a.Addr(), "operators", a.AdminAddr(), "node", a.node)
	return nil
}

// Addr is the address of the public listener, "127.0.0.1:8080"; empty before
// Start.
func (a *App) Addr() string { return addrOf(a.listener) }

// AdminAddr is that of the operators' listener; empty where there is none.
func (a *App) AdminAddr() string { return addrOf(a.admin) }

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Ready reports why this node should get no traffic now; nil means it should.
func (a *App) Ready() error {
	if a.draining.Load() {
		return errors.New("the server is going away")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := a.store.Ping(ctx); err != nil {
		return errors.New("the store does not answer")
	}
	if err := a.bus.Ready(); err != nil {
		return errors.New("the bus is not connected")
	}
	if !a.auth.Fresh() {
		return errors.New("revocations could not be read")
	}
	return a.hub.Ready()
}

// Mint makes an access token with this node's key.
func (a *App) Mint(c auth.Claims) (string, error) { return a.keys.Mint(c) }

// Stop drains: answers at work end and are told, no more is accepted, every
// client is told to come back, writes are finished. What is left when ctx ends is
// cut off. Acknowledged is kept in any case.
func (a *App) Stop(ctx context.Context) error {
	a.draining.Store(true)
	a.log.Info("draining", "connections", a.conns.Len())
	// Agents first, while there is someone to hear how their answers end.
	a.stopWorker()
	select {
	case <-a.workerDone:
	case <-ctx.Done():
	}
	err := a.engine.Stop(ctx)
	a.settle(ctx)
	done := make(chan error, len(a.servers))
	for _, s := range a.servers {
		go func() { done <- s.Shutdown(ctx) }()
	}
	a.conns.Drain(ctx)
	for range a.servers {
		err = errors.Join(err, <-done)
	}
	a.close(ctx)
	return err
}

// settle lets the ends of answers reach those who listen.
func (a *App) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	a.hub.Settle(ctx)
}

const settleTime = time.Second

// close ends what is open, the users of a thing before the thing.
func (a *App) close(ctx context.Context) {
	for _, s := range a.servers {
		_ = s.Close()
	}
	for _, stop := range []context.CancelFunc{a.stopWorker, a.stopEngine} {
		if stop != nil {
			stop()
		}
	}
	if a.conns != nil {
		a.conns.Close()
	}
	if a.hub != nil {
		a.hub.Close()
	}
	if a.engine != nil {
		_ = a.engine.Stop(ctx)
	}
	if a.stopRelay != nil {
		a.stopRelay()
	}
	a.wg.Wait()
	if a.bus != nil {
		_ = a.bus.Close()
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Error("close the store", "error", err)
		}
	}
}
