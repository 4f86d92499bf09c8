package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/config"
)

func TestANodeKeepsWhatWasSaidOverItsLives(t *testing.T) {
	onBothStores(t, func(t *testing.T, cfg *config.Config) {
		n := start(t, cfg)
		session := n.session()
		ear := n.mustDial(n.token("ann"), session)
		n.say(session, "Where is my order 12345?")
		if end := ear.hear(`"stream_end"`); !strings.Contains(end, "I found order 12345") {
			t.Errorf("the agent answers %s", end)
		}
		n.stop(5 * time.Second)

		n = start(t, cfg)
		status, history := n.call("/api/sessions/"+session+"/history", n.token("ann"), nil)
		if status != http.StatusOK || !strings.Contains(history, "Where is my order 12345?") || !strings.Contains(history, "I found order 12345") {
			t.Errorf("history: %d %s", status, history)
		}
		n.stop(5 * time.Second)
	})
}

func TestThereIsNoOperatorsListenerWhereNoneIsConfigured(t *testing.T) {
	cfg := newConfig(t)
	cfg.AdminListen = ""
	n := start(t, cfg)
	if n.AdminAddr() != "" {
		t.Errorf("operators are served at %s", n.AdminAddr())
	}
	eventually(t, 5*time.Second, "the node is ready", func() bool { status, _ := n.call("/readyz", "", nil); return status == http.StatusOK })
}

// certificate makes one for 127.0.0.1 and returns its files, and a pool that
// trusts it.
func certificate(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	trust = x509.NewCertPool()
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		text := pem.EncodeToMemory(block)
		trust.AppendCertsFromPEM(text)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, trust
}

func TestTLSServesRequestsAndSockets(t *testing.T) {
	cfg := newConfig(t)
	var trust *x509.CertPool
	cfg.TLSCert, cfg.TLSKey, trust = certificate(t)
	n := start(t, cfg)
	secured := &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
	// A client that would rather speak HTTP/2, over which there are no upgrades here.
	n.client = &http.Client{Transport: &http.Transport{TLSClientConfig: secured.Clone(), ForceAttemptHTTP2: true}}
	n.scheme = "https"
	t.Cleanup(n.client.CloseIdleConnections)

	session := n.session()
	ear, err := n.dial(n.token("ann"), session, secured)
	if err != nil {
		t.Fatal(err)
	}
	n.say(session, "hello")
	ear.hear(`"stream_end"`)

	n.scheme = "http"
	if status, answer := n.call("/readyz", "", nil); status == http.StatusOK {
		t.Errorf("it is served without TLS: %s", answer)
	}
}

func TestANodeIsNotReadyWhileTheBusIsAway(t *testing.T) {
	cfg := newConfig(t)
	outside := natsbus.Config{Dir: t.TempDir(), Listen: freeAddress(t)}
	nats := openBus(t, outside)
	cfg.NATSURL = "nats://" + outside.Listen
	n := start(t, cfg)
	ready := func() bool { status, _ := n.call("/readyz", "", nil); return status == http.StatusOK }
	eventually(t, 5*time.Second, "the node is ready", ready)
	if err := nats.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the node is not ready", func() bool { return !ready() })
	if _, why := n.call("/readyz", "", nil); !strings.Contains(why, "the bus is not connected") {
		t.Errorf("readyz says %s", why)
	}
	n.session() // writes go on
	defer openBus(t, outside).Close()
	eventually(t, 10*time.Second, "the node is ready again", ready)
	n.stop(5 * time.Second)
}

func TestARevocationThatAnotherNodeTellsClosesSockets(t *testing.T) {
	cfg := newConfig(t)
	outside := natsbus.Config{Dir: t.TempDir(), Listen: freeAddress(t)}
	nats := openBus(t, outside)
	defer nats.Close()
	cfg.NATSURL = "nats://" + outside.Listen
	told := make(chan string, 1000)
	stop, err := nats.Subscribe("control.revoked", func(_, _ string, data []byte) { told <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	n := start(t, cfg)
	token := n.token("ann")
	ear := n.mustDial(token, "")
	if list := <-told; list != "[]" { // what it knows, which is nothing
		t.Errorf("it tells the others %s", list)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var claims struct{ JTI string }
	if err := errors.Join(err, json.Unmarshal(payload, &claims)); err != nil || claims.JTI == "" {
		t.Fatalf("%v in %s", err, payload)
	}
	if err := nats.Publish("control.revoked", fmt.Appendf(nil, `[{"org":"org_demo","credential":%q}]`, claims.JTI)); err != nil {
		t.Fatal(err)
	}
	if why := ear.end(5 * time.Second); !strings.Contains(why.Error(), "4501") {
		t.Errorf("the socket ended with %v", why)
	}
	if status, _ := n.call("/api/sessions", token, map[string]string{"bot_id": "demo"}); status != http.StatusUnauthorized {
		t.Errorf("a request is answered with %d", status)
	}
	n.stop(5 * time.Second)
}

func openBus(t *testing.T, c natsbus.Config) *natsbus.Bus {
	t.Helper()
	b, err := natsbus.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Other services reach the embedded bus with its token only.
func TestTheBusIsOpenToWhoHasItsToken(t *testing.T) {
	cfg := newConfig(t)
	cfg.NATSListen, cfg.NATSTokenFile = freeAddress(t), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(cfg.NATSTokenFile, []byte("0pen-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	for url, welcome := range map[string]bool{"nats://" + cfg.NATSListen: false, "nats://0pen-sesame@" + cfg.NATSListen: true} {
		b, err := natsbus.Open(timeout(t, 5*time.Second), natsbus.Config{URL: url})
		if (err == nil) != welcome {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil {
			b.Close()
		}
	}
}

// A key that is revoked by another process, as parley key revoke does, is cut off
// within a second (P6).
func TestARevokedKeyLosesItsSocketsWithinASecond(t *testing.T) {
	onBothStores(t, func(t *testing.T, cfg *config.Config) {
		n := start(t, cfg)
		store, err := app.OpenStore(t.Context(), cfg, false)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		secret, key, err := auth.NewKey(parley.KeyID(uuid.Must(uuid.NewV7())), cfg.Org, "billing", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.InsertKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		revoked, other := n.mustDial(secret, ""), n.mustDial(n.token("ann"), "")
		if err := store.Revoke(t.Context(), parley.Revocation{Org: cfg.Org, Credential: key.ID.String(), At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if why := revoked.end(5 * time.Second); !strings.Contains(why.Error(), "revoked") {
			t.Errorf("the socket ended with %v", why)
		}
		if took := time.Since(began); took > 1500*time.Millisecond { // a second, and what a busy machine takes
			t.Errorf("the socket lived for %s", took)
		}
		if status, _ := n.call("/v1/chat/conversations", secret, nil); status != http.StatusUnauthorized {
			t.Errorf("the key is still let in: %d", status)
		}
		select {
		case _, ok := <-other.frames:
			if !ok {
				t.Errorf("somebody else's socket ended: %v", other.closed)
			}
		default:
		}
	})
}

// The agent is in everybody's sessions: who could come under its name would read
// them all.
func TestNobodySpeaksForTheBuiltInAgent(t *testing.T) {
	cfg := newConfig(t)
	n := start(t, cfg)
	n.say(n.session(), "a secret")
	demo := n.token("demo")
	if status, answer := n.call("/api/sessions", demo, nil); status != http.StatusUnauthorized {
		t.Errorf("a user called demo is let in: %d %s", status, answer)
	}
	if s, err := n.dial(demo, "", nil); err == nil {
		t.Errorf("and has a socket: %v", s)
	}
	backend, err := n.Mint(auth.Claims{Subject: "svc", Org: cfg.Org, Kind: parley.KindService, Scopes: []parley.Scope{parley.ScopeAdmin}})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := n.call("/v1/tokens", backend, map[string]string{"user_id": "demo"}); status != http.StatusUnprocessableEntity {
		t.Errorf("a back end mints its token: %d %s", status, answer)
	}
}

func TestOldEventsAreTrimmedAtTheStart(t *testing.T) {
	cfg := newConfig(t)
	n := start(t, cfg)
	n.say(n.session(), "hello")
	n.stop(5 * time.Second)

	store, err := app.OpenStore(t.Context(), cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	kept := func() int {
		events, err := store.ReadLog(context.Background(), cfg.Org, 0, 1<<40, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(events)
	}
	before := kept()
	cfg.Limits.LogRetention = time.Nanosecond
	n = start(t, cfg)
	eventually(t, 5*time.Second, "the log is trimmed", func() bool { return kept() == 0 })
	n.stop(5 * time.Second)
	if before == 0 {
		t.Error("there was nothing to trim")
	}
}

// Every metric that the manual names is there, and none tells who was served.
func TestMetricsAreThoseOfTheManual(t *testing.T) {
	cfg := newConfig(t)
	n := start(t, cfg)
	session := n.session()
	token := n.token("ann")
	ear := n.mustDial(token, session)
	n.say(session, "a message that nobody else reads")
	ear.hear(`"stream_end"`)
	n.call("/v1/chat/conversations", "bad-token", nil)

	response, err := http.Get("http://" + n.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	metrics := string(all)
	manual, err := os.ReadFile("../docs/operations/running.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(parley_[a-z_]+)`").FindAllStringSubmatch(string(manual), -1)
	for _, name := range names {
		if !strings.Contains(metrics, "\n# TYPE "+name[1]+" ") {
			t.Errorf("there is no %s", name[1])
		}
	}
	if len(names) < 10 {
		t.Errorf("the manual names %d metrics", len(names))
	}
	for _, secret := range []string{token, `"ann"`, "org_demo", session, "bad-token", "nobody else"} {
		if strings.Contains(metrics, secret) {
			t.Errorf("the metrics tell %q", secret)
		}
	}
	if !strings.Contains(metrics, "\nparley_connections 1\n") || !strings.Contains(metrics, "\nparley_http_failed_auth_total 1\n") {
		t.Errorf("counted wrong:\n%s", metrics)
	}
}
