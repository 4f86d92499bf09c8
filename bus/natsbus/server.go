package natsbus

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout bounds the start of the embedded server, recovery of its streams
// included.
const startTimeout = 30 * time.Second

// embedded is a nats-server within the process. token is what its clients show;
// empty where it asks for none.
type embedded struct {
	*server.Server
	token string
}

// startEmbedded starts the server and returns once it takes connections.
func startEmbedded(cfg *Config, log *slog.Logger) (*embedded, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	opts, err := serverOptions(cfg)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	l := &serverLog{log: log}
	s.SetLoggerV2(l, false, false, false)
	s.Start()
	e := &embedded{s, opts.Authorization}
	// A server that cannot start says so to its logger only, as a fatal line.
	if text := l.fatal(); text != "" {
		e.stop()
		return nil, fmt.Errorf("start server: %s", text)
	}
	if !s.ReadyForConnections(startTimeout) {
		e.stop()
		return nil, fmt.Errorf("start server: not ready after %s", startTimeout)
	}
	return e, nil
}

// stop ends the server and returns when its files are closed.
func (e *embedded) stop() {
	e.Shutdown()
	e.WaitForShutdown()
}

func serverOptions(cfg *Config) (*server.Options, error) {
	opts := &server.Options{
		ServerName:    cfg.ServerName,
		DontListen:    cfg.Listen == "",
		NoSigs:        true, // signals are the program's
		JetStream:     true,
		StoreDir:      cfg.Dir,
		Authorization: cfg.Token,

		DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, err := splitHostPort(cfg.Listen)
		if err != nil {
			return nil, err
		}
		opts.Host, opts.Port = host, orRandom(port)
	}
	if cfg.Cluster.zero() {
		return opts, nil
	}
	host, port, err := splitHostPort(cfg.Cluster.Listen)
	if err != nil {
		return nil, err
	}
	opts.Cluster = server.ClusterOpts{Name: cfg.Cluster.Name, Host: host, Port: orRandom(port)}
	if cfg.Listen == "" {
		closeToOthers(opts)
	}
	var user *url.Userinfo
	if cfg.Token != "" {
		opts.Cluster.Username, opts.Cluster.Password = routeUser, cfg.Token
		user = url.UserPassword(routeUser, cfg.Token)
	}
	for _, addr := range cfg.Cluster.Routes {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: addr, User: user})
	}
	return opts, nil
}

// closeToOthers stands in for DontListen within a cluster: nats-server 2.15 opens
// its routes only after its client listener, and without one never does (nor ends
// when told to). The listener is on loopback and lets nobody in who does not know
// a token that, where none is configured, only this process has.
func closeToOthers(opts *server.Options) {
	opts.DontListen = false
	opts.Host, opts.Port = "127.0.0.1", server.RANDOM_PORT
	opts.Cluster.NoAdvertise = true
	if opts.Authorization == "" {
		opts.Authorization = rand.Text()
	}
}

// routeUser goes with the token where a route asks for a name as well.
const routeUser = "parley"

// orRandom turns port 0, "any free one" everywhere else, into what nats-server
// calls that.
func orRandom(port int) int {
	if port == 0 {
		return server.RANDOM_PORT
	}
	return port
}

// serverLog hands the server's lines to slog: its start-up talk as debug lines,
// its fatal lines as errors, for an embedded server must not end the program.
type serverLog struct {
	log *slog.Logger

	mu        sync.Mutex
	lastFatal string
}

func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastFatal
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, v...))
}
func (l *serverLog) Warnf(format string, v ...any) { l.log.Warn("nats: " + fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.mu.Lock()
	l.lastFatal = text
	l.mu.Unlock()
	l.log.Error("nats: " + text)
}

// Debugf and Tracef are never called: both are switched off, as traces quote
// what clients send.
func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}
