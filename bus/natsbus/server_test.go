package natsbus_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parley-chat/parley/bus/natsbus"
)

// freeAddr is a loopback address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestEmbeddedStartsQuickly(t *testing.T) {
	began := time.Now()
	b := open(t, natsbus.Config{Dir: t.TempDir()})
	openRunLog(t, b)
	took := time.Since(began)
	t.Logf("open with run log: %s", took)
	if took > 5*time.Second { // generous: the figure is in the benchmark
		t.Errorf("took %s", took)
	}
}

func TestEmbeddedServersAreIndependent(t *testing.T) {
	one, two := open(t, natsbus.Config{Dir: t.TempDir()}), open(t, natsbus.Config{Dir: t.TempDir()})
	if _, err := two.Subscribe("a", func(string, string, []byte) { t.Error("heard across servers") }); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{}, 1)
	if _, err := one.Subscribe("a", func(string, string, []byte) { heard <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := one.Publish("a", nil); err != nil {
		t.Fatal(err)
	}
	receive(t, heard)
}

func TestListenTakesThoseWhoShowTheToken(t *testing.T) {
	const token = "open-sesame-5512"
	var log logBuffer
	addr := freeAddr(t)
	b := open(t, natsbus.Config{Dir: t.TempDir(), Listen: addr, Token: token, Logger: log.logger()})
	heard := make(chan struct{}, 1)
	if _, err := b.Subscribe("a", func(string, string, []byte) { heard <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if c, err := nats.Connect("nats://" + addr); err == nil {
		c.Close()
		t.Error("a stranger was let in")
	}
	other := open(t, natsbus.Config{URL: "nats://" + token + "@" + addr})
	if err := other.Publish("a", nil); err != nil {
		t.Fatal(err)
	}
	receive(t, heard)
	if strings.Contains(log.String(), token) {
		t.Errorf("the log tells the token:\n%s", log.String())
	}
}

func TestRefusedCredentialsEndOpenAtOnce(t *testing.T) {
	addr := freeAddr(t)
	open(t, natsbus.Config{Dir: t.TempDir(), Listen: addr, Token: "right"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := natsbus.Open(ctx, natsbus.Config{URL: "nats://wrong@" + addr})
	if err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("Open = %v, context %v", err, ctx.Err())
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	open(t, natsbus.Config{Dir: t.TempDir(), Listen: addr})
	for name, cfg := range map[string]natsbus.Config{
		"JetStream":       {Dir: dir},
		"listening":       {Dir: t.TempDir(), Listen: addr},
		"not a directory": {Dir: filepath.Join(dir, "jetstream")},
	} {
		b, err := natsbus.Open(t.Context(), cfg)
		if err == nil {
			_ = b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Open = %v, want an error about %q", err, name)
		}
	}
}

func TestNodesFormACluster(t *testing.T) {
	addrs := []string{freeAddr(t), freeAddr(t), freeAddr(t)}
	var nodes []*natsbus.Bus
	for i, addr := range addrs {
		nodes = append(nodes, open(t, natsbus.Config{
			Dir: t.TempDir(), ServerName: "node" + addr, Token: "shared", RunLogReplicas: 3,
			Cluster: natsbus.Cluster{Name: "parley", Listen: addrs[i], Routes: addrs},
		}))
	}
	heard := make(chan string, 1024)
	for i, b := range nodes {
		if _, err := b.Subscribe("a", func(string, string, []byte) { heard <- addrs[i] }); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range nodes {
		hearers := map[string]bool{}
		until(t, "every node hears every node", func() bool { // routes come up one by one
			if err := from.Publish("a", nil); err != nil {
				t.Fatal(err)
			}
			for len(heard) > 0 {
				hearers[<-heard] = true
			}
			return len(hearers) == len(nodes)
		})
	}
	// What one node appended another reads, once its owner is gone.
	run := newRun()
	appendRun(t, openRunLog(t, nodes[0]), run, "one", "two")
	other := openRunLog(t, nodes[1])
	if err := nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the remaining nodes have the run", func() bool {
		got, err := readRun(t, other, run)
		return err == nil && got == "one two"
	})
}
