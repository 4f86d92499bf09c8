package app_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/config"
)

// Whatever is in the way of a start: it is one sentence that says what, no secret
// is in it, and everything is closed again, so that the next start may succeed.
func TestAStartThatFailsSaysWhyAndClosesEverything(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	nobody := freeAddress(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("pa55word"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, cfg *config.Config)
		want  string
	}{
		"the address is taken": {
			func(_ *testing.T, cfg *config.Config) { cfg.Listen = taken.Addr().String() },
			"another process listens on " + taken.Addr().String() + " already (listen)",
		},
		"the operators' address is taken": {
			func(_ *testing.T, cfg *config.Config) { cfg.AdminListen = taken.Addr().String() },
			"another process listens on " + taken.Addr().String() + " already (admin_listen)",
		},
		"the address is not this machine's": {
			func(_ *testing.T, cfg *config.Config) { cfg.Listen = "192.0.2.1:0" },
			"listen: listen tcp 192.0.2.1:0",
		},
		"the data directory is a file": {
			func(_ *testing.T, cfg *config.Config) { cfg.Data = file }, "data directory: mkdir " + file,
		},
		"the data directory cannot be made": {
			func(_ *testing.T, cfg *config.Config) { cfg.Data = filepath.Join(file, "data") }, "data directory: mkdir " + file,
		},
		"the signing key is none": {
			func(t *testing.T, cfg *config.Config) {
				write(t, filepath.Join(cfg.Data, "signing-key.pem"), "pa55word")
			},
			"signing-key.pem is not a PEM private key",
		},
		"the store is none": {
			func(t *testing.T, cfg *config.Config) {
				write(t, filepath.Join(cfg.Data, "parley.db"), strings.Repeat("no database ", 1000))
			},
			"open the store: ",
		},
		"another server has the store": {
			func(t *testing.T, cfg *config.Config) { other := *cfg; start(t, &other) },
			"open the store: another server uses this data directory",
		},
		"the certificate is none": {
			func(_ *testing.T, cfg *config.Config) { cfg.TLSCert, cfg.TLSKey = file, file },
			"read the certificate (tls_cert, tls_key): tls: failed to find any PEM data",
		},
		"the certificate is not there": {
			func(_ *testing.T, cfg *config.Config) { cfg.TLSCert, cfg.TLSKey = file+"1", file },
			"read the certificate (tls_cert, tls_key): open " + file + "1",
		},
		"PostgreSQL is away": {
			func(_ *testing.T, cfg *config.Config) { cfg.StoreURL = "postgres://ana:pa55word@" + nobody + "/parley" },
			nobody + " (127.0.0.1): dial error: dial tcp " + nobody + ": connect: connection refused",
		},
		"NATS is away": {
			func(_ *testing.T, cfg *config.Config) { cfg.NATSURL = "nats://ana:pa55word@" + nobody },
			"open the bus: " + nobody + ": natsbus: connect: unavailable: nats: no servers available",
		},
		"the embedded NATS cannot listen": {
			func(_ *testing.T, cfg *config.Config) { cfg.NATSListen = taken.Addr().String() },
			"open the bus: ",
		},
		"NATS's token is not there": {
			func(_ *testing.T, cfg *config.Config) { cfg.NATSListen, cfg.NATSTokenFile = nobody, file+"1" },
			"open the bus: nats_token_file: read secret: open " + file + "1",
		},
		"the bucket's secret is not there": {
			func(_ *testing.T, cfg *config.Config) { cfg.Attachments, cfg.S3.SecretFile = "s3", file+"1" },
			"open the attachments: s3_secret_file: read secret: open " + file + "1",
		},
		"the object store is away": {
			func(_ *testing.T, cfg *config.Config) {
				cfg.Attachments, cfg.S3 = "s3", config.S3{Endpoint: "http://" + nobody, Bucket: "files", AccessKey: "a", SecretFile: file}
			},
			"open the attachments: s3: look for bucket files: ",
		},
		"an issuer's secret is not there": {
			func(_ *testing.T, cfg *config.Config) {
				cfg.Issuers = []config.Issuer{{Name: "acme", SecretFile: file + "1"}}
			},
			"issuer acme: read secret: open " + file + "1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newConfig(t)
			good := *cfg
			c.spoil(t, cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := app.New(cfg, nil).Start(ctx)
			if err == nil {
				t.Fatal("it started")
			}
			if text := err.Error(); !strings.Contains(text, c.want) || strings.Contains(text, "\n") || strings.Contains(text, "pa55word") {
				t.Errorf("got  %s\nwant one line with %s", text, c.want)
			}
			if strings.HasPrefix(name, "the store is") || strings.HasPrefix(name, "the signing key") || strings.HasPrefix(name, "another") {
				return // what is wrong is in the directory
			}
			start(t, &good)
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A start that is called off ends, wherever it was, and leaves nothing behind.
func TestAStartThatIsCalledOffEnds(t *testing.T) {
	cfg := newConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := app.New(cfg, nil).Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, after := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		a := app.New(cfg, nil)
		if err := a.Start(ctx); err == nil { // it was faster
			_ = a.Stop(timeout(t, 5*time.Second))
		}
		cancel()
	}
	start(t, cfg)
}
