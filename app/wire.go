package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
	"github.com/parley-chat/parley/agent/demo"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/blob/dir"
	"github.com/parley-chat/parley/blob/s3"
	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/config"
	"github.com/parley-chat/parley/dialect/bot"
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/dialect/events"
	"github.com/parley-chat/parley/dialect/topics"
	"github.com/parley-chat/parley/directory"
	"github.com/parley-chat/parley/httpd"
	"github.com/parley-chat/parley/store/postgres"
	"github.com/parley-chat/parley/store/sqlite"
)

// dialects are the surfaces of this product.
func dialects() []parley.Dialect {
	return []parley.Dialect{
		events.New(),
		bot.New(),
		topics.New(),
		chat.New(),
	}
}

// agents are those that live in this process.
func agents(cfg *config.Config) []agent.Agent {
	var list []agent.Agent
	if cfg.DemoAgent {
		list = append(list, demo.New())
	}
	return list
}

// OpenStore opens the store that the configuration names. exclusive is for a
// server: one to a SQLite file.
func OpenStore(ctx context.Context, cfg *config.Config, exclusive bool) (parley.Store, error) {
	if cfg.StoreURL != "" {
		s, err := postgres.Open(ctx, postgres.Config{URL: cfg.StoreURL})
		if err != nil {
			return nil, err // not s: a nil *Store in the interface would not be nil
		}
		return s, nil
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s, err := sqlite.Open(ctx, sqlite.Config{
		Path: filepath.Join(cfg.Data, "parley.db"), Synchronous: sqlite.Synchronous(cfg.SQLiteSynchronous), Exclusive: exclusive,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// OpenKeys opens the signing key in the data directory, making it where there is
// none.
func OpenKeys(cfg *config.Config) (*auth.Keys, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return auth.OpenKeys(cfg.Data)
}

// openBus opens the bus that the configuration names: an existing NATS, or one in
// the process on a directory beside the store.
func (a *App) openBus(ctx context.Context) (*natsbus.Bus, error) {
	c := natsbus.Config{Logger: a.log}
	if a.cfg.NATSURL != "" {
		c.URL, c.Credentials = a.cfg.NATSURL, a.cfg.NATSCredentials
	} else {
		c.Dir, c.Listen = filepath.Join(a.cfg.Data, "nats"), a.cfg.NATSListen
	}
	if a.cfg.NATSTokenFile != "" {
		token, err := config.ReadSecret(a.cfg.NATSTokenFile)
		if err != nil {
			return nil, fmt.Errorf("nats_token_file: %w", err)
		}
		c.Token = string(token)
	}
	b, err := natsbus.Open(ctx, c)
	if err != nil && c.URL != "" {
		err = fmt.Errorf("%s: %w", serversOf(c.URL), err)
	}
	return b, err
}

// serversOf lists the hosts of NATS URLs, without what is secret in them.
func serversOf(urls string) string {
	var hosts []string
	for text := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ", ")
}

// openBlobs opens the place of attachments that the configuration names; nil where
// there are none.
func (a *App) openBlobs(ctx context.Context) (parley.Blobs, error) {
	switch a.cfg.Attachments {
	case "off":
		return nil, nil
	case "s3":
		return a.openBucket(ctx)
	}
	root := a.cfg.AttachmentsDir
	if root == "" {
		root = filepath.Join(a.cfg.Data, "attachments")
	}
	d, err := dir.Open(root)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (a *App) openBucket(ctx context.Context) (parley.Blobs, error) {
	c := a.cfg.S3
	secret, err := config.ReadSecret(c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("s3_secret_file: %w", err)
	}
	b, err := s3.Open(ctx, s3.Config{
		Endpoint: c.Endpoint, Bucket: c.Bucket, Region: c.Region, AccessKey: c.AccessKey, SecretKey: string(secret), PathStyle: c.PathStyle,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// attachments is what the doors need of attachments; nil where there are none.
func (a *App) attachments() *httpd.Attachments {
	if a.blobs == nil {
		return nil
	}
	return &httpd.Attachments{Blobs: a.blobs, Upload: a.engine.Upload, Key: a.keys.Derive("attachment urls")}
}

func (a *App) openAuth(store parley.Store, keys *auth.Keys) (*auth.Authenticator, error) {
	var issuers []auth.Issuer
	for _, i := range a.cfg.Issuers {
		secret, err := config.ReadSecret(i.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", i.Name, err)
		}
		issuers = append(issuers, auth.Issuer{Name: i.Name, Secret: secret, Org: i.Org, Audience: i.Audience})
	}
	return auth.New(auth.Config{Keys: keys, Issuers: issuers, Store: store, Reserved: reserved(a.cfg), Log: a.log})
}

// openDirectory makes the built-in directory; nil where it is switched off.
func (a *App) openDirectory() (*directory.Service, error) {
	if !a.cfg.Directory {
		return nil, nil
	}
	return directory.New(directory.Config{
		Store: a.store, Mint: a.mintUser, Revoke: a.auth.Revoke, Org: a.cfg.Org, Open: a.cfg.OpenSignup, Logger: a.log,
	})
}

// reserved are the ids of the agents that live in this process: nobody else's.
func reserved(cfg *config.Config) (list []parley.PrincipalID) {
	for _, p := range agent.Principals(agents(cfg)...) {
		list = append(list, p.ID)
	}
	return list
}

// ids makes UUIDv7 ids, in order within this process.
type ids struct{}

func (ids) NewID() [16]byte { return uuid.Must(uuid.NewV7()) }

// nodeName is this process among those that share the store: readable, and
// never the name of one that was before.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	return host + "-" + strings.ToLower(rand.Text()[:8])
}
