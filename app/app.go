package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
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
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/directory"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/httpd"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/webreq"
	"github.com/parley-chat/parley/presence"
	"github.com/parley-chat/parley/relay"
)

// App is one Parley node. Start and Stop are called once each, by one goroutine;
// the rest may be called concurrently after Start.
type App struct {
	cfg  *config.Config
	log  *slog.Logger
	node string

	presence *presence.Service
	keys     *auth.Keys
	store    parley.Store
	bus      *natsbus.Bus
	blobs    parley.Blobs // nil: no attachments
	auth     *auth.Authenticator
	engine   *engine.Engine
	relay    *relay.Relay
	hub      *hub.Hub
	conns    *conn.Server
	worker   *agent.Worker
	metrics  *prometheus.Registry

	doors    []door
	draining atomic.Bool
	wg       sync.WaitGroup
	// Set by background; nil before. They are called in the order in which the parts
	// may end.
	stopWorker, stopEngine, stopPresence, stopRelay context.CancelFunc
	workerDone                                      chan struct{}
	stopSharing                                     func() // of revocations; set by Start
}

// New makes a node of a configuration; nothing is opened yet. log nil discards.
func New(cfg *config.Config, log *slog.Logger) *App {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &App{cfg: cfg, log: log, node: nodeName(), metrics: prometheus.NewRegistry()}
}

// Start opens the store, the bus and the listeners, ends what a dead owner left
// open, and serves. ctx bounds the start, not the life of the node. On an error
// everything is closed again.
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
		return oneLine{fmt.Errorf("open the store: %w", err)}
	}
	if a.auth, err = a.openAuth(a.store, a.keys); err != nil {
		return err
	}
	if a.blobs, err = a.openBlobs(ctx); err != nil {
		return oneLine{fmt.Errorf("open the attachments: %w", err)}
	}
	if a.bus, err = a.openBus(ctx); err != nil {
		return oneLine{fmt.Errorf("open the bus: %w", err)}
	}
	if a.stopSharing, err = a.auth.Share(a.bus); err != nil {
		return err
	}
	runLog, err := a.bus.RunLog(ctx)
	if err != nil {
		return fmt.Errorf("open the run log: %w", err)
	}
	roster, err := a.bus.Roster(ctx)
	if err != nil {
		return fmt.Errorf("open the roster: %w", err)
	}
	users, err := a.openDirectory()
	if err != nil {
		return err
	}
	public, operators := a.build(runLog, roster, users)
	if err := a.listen(public, operators); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a.background()
	a.serve()
	return nil
}

// build makes the parts that hold no resources yet, and returns what answers
// clients and operators.
func (a *App) build(runLog parley.RunLog, roster parley.Roster, users *directory.Service) (public, operators http.Handler) {
	members := agents(a.cfg)
	a.relay = relay.New(relay.Config{Store: a.store, Bus: a.bus, Logger: a.log})
	a.engine = engine.New(engine.Config{
		Store: a.store, Bus: a.bus, RunLog: runLog, IDs: ids{}, Limits: a.cfg.Limits, Node: a.node,
		// One server to a SQLite file: whoever else owned a run is dead.
		Solo: a.cfg.StoreURL == "", Committed: a.relay.Poke, Agents: agent.Principals(members...),
		Blobs: a.blobs, AttachmentTypes: a.cfg.AttachmentTypes, EphemeralTypes: a.cfg.EphemeralTypes, Logger: a.log,
	})
	a.worker = agent.New(agent.Config{Store: a.store, Bus: a.bus, Engine: a.engine, Agents: members, Logger: a.log})
	spoken := dialects()
	a.hub = hub.New(hub.Config{Store: a.store, Bus: a.bus, Dialects: spoken, Frame: conn.AppendText, Limits: a.cfg.Limits, Logger: a.log})
	a.presence = presence.New(presence.Config{
		Store: a.store, Bus: a.bus, Roster: roster, IDs: ids{}, Node: a.node, Agents: reserved(a.cfg),
		Grace: a.cfg.Limits.PresenceGrace, Members: a.cfg.Limits.PresenceMembers, Logger: a.log,
	})
	failures := auth.NewFailureLimiter(a.cfg.Limits.FailedAuthPerSec)
	a.conns = conn.New(conn.Config{
		Hub: a.hub, Engine: a.engine, Auth: a.auth, Store: a.store, Dialects: spoken, Limits: a.cfg.Limits,
		Policy:   webreq.Policy{TrustedProxies: a.cfg.TrustedProxies, AllowedOrigins: a.cfg.AllowedOrigins, PublicURL: a.cfg.PublicURL},
		Failures: failures, Presence: a.presence, Fresh: a.auth.Fresh, Logger: a.log, Node: a.node,
	})
	a.auth.OnRevoke(a.conns.Revoke)
	a.countParts()
	doors := httpd.New(httpd.Config{
		Engine: a.engine, Auth: a.auth, Store: a.store, Chat: chat.New(),
		Mint:     func(p *parley.Principal) (string, time.Time, error) { return a.keys.MintMessaging(p, 0) },
		MintUser: a.mintUser, Listening: a.hub.Listening, Presence: a.presence.Of, Say: a.presence.Say, Limits: a.cfg.Limits,
		Directory: users, People: a.store, Agents: agent.Principals(members...), Attachments: a.attachments(),
		Sockets:        a.conns.Doors(),
		AllowedOrigins: a.cfg.AllowedOrigins, TrustedProxies: a.cfg.TrustedProxies, PublicURL: a.cfg.PublicURL,
		Ready: a.Ready, FailedAuth: failures, Logger: a.log, Metrics: a.metrics,
	})
	return doors.Handler(), doors.AdminHandler()
}

func (a *App) mintUser(p *parley.Principal, ttl time.Duration) (token string, expires time.Time, err error) {
	if slices.Contains(reserved(a.cfg), p.ID) {
		return "", time.Time{}, &parley.Error{Code: parley.CodeInvalidArgument, Message: "user_id belongs to an agent", Field: "user_id"}
	}
	if ttl <= 0 {
		ttl = auth.DefaultAccessTTL
	}
	token, err = a.keys.Mint(auth.Claims{
		Subject: p.ID, Org: p.Org, Kind: p.Kind, Name: p.Name, Email: p.Email, Scopes: p.Scopes.List(), TTL: ttl,
		Credential: p.Credential,
	})
	return token, time.Now().Add(ttl).Truncate(time.Second), err
}

// Mint makes an access token with this node's key.
func (a *App) Mint(c auth.Claims) (string, error) { return a.keys.Mint(c) }

// oneLine is an error as one line: a driver's tells each address it tried on a
// line of its own, some of them twice.
type oneLine struct{ error }

func (e oneLine) Unwrap() error { return e.error }

func (e oneLine) Error() string {
	first, rest, _ := strings.Cut(e.error.Error(), "\n")
	told := map[string]bool{}
	separator := " "
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line != "" && !told[line] {
			told[line] = true
			first += separator + line
			separator = "; "
		}
	}
	return first
}
