//go:build linux

package peer

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/config"
)

// house is a whole Parley in this process, with the settings that a benchmark
// gives it.
func house(t *testing.T, secured bool) *House {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "bench.yaml")
	h := &House{}
	text := "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\norg: " + Org + "\ndata: " + dir + "\n" + settings
	if secured {
		var err error
		if h.TLS, err = certify(dir); err != nil {
			t.Fatal(err)
		}
		text = "tls_cert: " + filepath.Join(dir, certFile) + "\ntls_key: " + filepath.Join(dir, keyFile) + "\n" + text
	}
	writeFile(t, file, text)
	cfg, err := config.Load(config.Input{File: file})
	if err != nil {
		t.Fatal(err)
	}
	a := app.New(cfg, nil)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = a.Stop(ctx)
	})
	h.Addr, h.Mint = a.Addr(), a.Mint
	return h
}

// TestEverySurfaceIsHeard connects listeners on each surface as the benchmark
// does, and has them hear what is published as the benchmark publishes it.
func TestEverySurfaceIsHeard(t *testing.T) {
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		h := house(t, secured)
		for _, s := range []Surface{Events, Bot, Topics, Chat} {
			for what, plan := range map[string]Plan{
				"channels":      {Topics: 2, Listeners: 3},
				"conversations": {Topics: 2, Listeners: 3, Publishers: 2, Conversations: true},
				"durable":       {Topics: 2, Listeners: 3, Durable: true},
			} {
				t.Run(name+" "+string(s)+" "+what, func(t *testing.T) { hear(t, h, s, plan) })
			}
		}
	}
}

func hear(t *testing.T, h *House, s Surface, plan Plan) {
	target, err := h.target(t.Context(), s, &plan)
	if err != nil {
		t.Fatal(err)
	}
	l, err := load.New(t.Context(), target.Scan)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Connect(target.Listeners(&plan), 0); err != nil {
		t.Fatal(err)
	}
	publishers, err := l.Connect(target.Publishers(&plan), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Publish(target.Templates(&plan), publishers); err != nil {
		t.Fatal(err)
	}
	r, err := l.Run(load.Traffic{Window: 2, For: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Latency.Count() == 0 {
		t.Errorf("nothing was heard; publishers were told %q", publishers[0].Said)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is sent by the route is stored, each message under an id of its own.
func TestSendStoresEachMessage(t *testing.T) {
	h := house(t, false)
	target, err := h.target(t.Context(), Chat, &Plan{Topics: 3, Listeners: 1, Conversations: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := load.New(t.Context(), target.Scan)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conns, err := l.Connect([]*load.Dial{target.Requester(), target.Requester()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]bool{}
	a, err := l.Ask(conns, func(dst []byte, n uint64) []byte {
		request := target.Send(nil, n)
		_, id, _ := bytes.Cut(request, []byte(`"client_msg_id":`))
		sent[string(id)] = true
		return append(dst, request...)
	}, 0, 100*time.Millisecond, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if a.Answers == 0 || uint64(len(sent)) < a.Answers {
		t.Errorf("%d answers to %d messages", a.Answers, len(sent))
	}
	if at := string(target.Send(nil, 1234567)); !strings.HasSuffix(at, `"bench-0000000001234567"}`) {
		t.Errorf("the request ends in %q", at[len(at)-40:])
	}
}
