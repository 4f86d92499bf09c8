// Package config reads the settings of a Parley process. They come, in rising
// order, from the defaults, a YAML file, the environment (PARLEY_…) and flags;
// each value knows where it came from, and a bad one is an error that says so
// (design.md section 11). There is one table of them, in settings.go: flags,
// names, help and the reference page are made from it.
package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/parley-chat/parley"
)

// Config is every setting of a process. Default and Load make one; it does not
// change afterwards and may be read concurrently.
type Config struct {
	Listen      string // address of the public listener
	AdminListen string // address of metrics and profiles; keep it private
	Data        string // directory of the signing key and the embedded store
	Org         parley.OrgID
	PublicURL   string // how clients reach the server; empty: as they did

	StoreURL          string // postgres://…; empty: SQLite in Data
	SQLiteSynchronous string // full or normal

	NATSURL         string // empty: the embedded server
	NATSCredentials string // file of NATS credentials; empty: none
	NATSListen      string // opens the embedded server; empty: off
	NATSTokenFile   string // holds the secret that clients of the embedded server show; empty: none

	TLSCert, TLSKey string // PEM files, both or none
	AllowedOrigins  []string
	TrustedProxies  []netip.Prefix
	Issuers         []Issuer

	Directory  bool // the built-in users
	OpenSignup bool // anybody may become one

	Attachments     string // directory, s3 or off
	AttachmentsDir  string // empty: attachments in Data
	AttachmentTypes []string
	S3              S3

	DemoAgent      bool
	EphemeralTypes []string // custom event types that are never stored
	DrainTimeout   time.Duration
	LogLevel       slog.Level
	LogFormat      string // text or json
	Limits         parley.Limits

	settings []Setting         // bound to this Config
	sources  map[string]string // by key; what is missing is a default
}

// Issuer is somebody else whose tokens are accepted (HS256).
type Issuer struct {
	Name       string // the `iss` of its tokens
	SecretFile string // holds the shared secret
	Org        parley.OrgID
	Audience   string // empty: parley
}

// S3 is the bucket of attachments.
type S3 struct {
	Endpoint, Bucket, Region string
	AccessKey, SecretFile    string
	PathStyle                bool
}

// Default returns the documented defaults.
func Default() *Config {
	c := &Config{
		Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:9090", Data: "./parley-data", Org: "org_demo",
		SQLiteSynchronous: "full", Directory: true, DemoAgent: true,
		Attachments: "directory", AttachmentTypes: parley.DefaultAttachmentTypes(), S3: S3{PathStyle: true},
		DrainTimeout: 10 * time.Second,
		LogLevel:     slog.LevelInfo, LogFormat: "text", Limits: parley.DefaultLimits(),
		sources: map[string]string{},
	}
	c.settings = settingsOf(c)
	return c
}

// Settings lists every setting in documentation order, bound to this Config. The
// slice is the Config's own.
func (c *Config) Settings() []Setting { return c.settings }

// Source says where the value of a setting came from: "default", a place in a
// file ("parley.yaml:3"), a variable or a flag.
func (c *Config) Source(key string) string {
	if s, ok := c.sources[key]; ok {
		return s
	}
	return "default"
}

// ReadSecret reads a secret from a file; one newline at its end is not part of
// it. The error never tells the content.
func ReadSecret(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	secret = bytes.TrimSuffix(bytes.TrimSuffix(secret, []byte("\n")), []byte("\r"))
	if len(secret) == 0 {
		return nil, fmt.Errorf("read secret: %s is empty", path)
	}
	return secret, nil
}
