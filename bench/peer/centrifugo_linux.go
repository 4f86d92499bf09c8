package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/proc"
)

// Centrifugo is a Centrifugo 6 of the user's: memory engine, JSON protocol, its
// defaults but for what may be done without a token.
type Centrifugo struct{}

// Name is "centrifugo".
func (Centrifugo) Name() string { return "centrifugo" }

// Missing says whether the binary was named.
func (Centrifugo) Missing(env *Env) string {
	if env.Centrifugo == "" {
		return "--centrifugo, the path of its binary"
	}
	return ""
}

// Can refuses what is not set up here.
func (Centrifugo) Can(p *Plan) string {
	return liveAndPlain(p, "its history is not set up here")
}

// Start runs the binary.
func (Centrifugo) Start(ctx context.Context, env *Env, plan *Plan) (*Target, error) {
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	type object = map[string]any
	text, err := json.Marshal(object{
		"http_server": object{"address": addr.Addr().String(), "port": fmt.Sprint(addr.Port())},
		"client":      object{"allow_anonymous_connect_without_token": true},
		"channel": object{"without_namespace": object{
			"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
			"allow_publish_for_client": true, "allow_publish_for_anonymous": true,
		}},
		"log": object{"level": "error"},
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(env.TempDir, "centrifugo.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	p, err := proc.Start(ctx, env.ServerCores, exec.Command(env.Centrifugo, "--config", file))
	if err != nil {
		return nil, err
	}
	if err := p.Listening(ctx, addr); err != nil {
		p.Kill()
		return nil, fmt.Errorf("centrifugo: %w", err)
	}
	t := &Target{Proc: p, Addr: addr, Born: p.RSS()}
	dial := func(topic int, more ...load.Step) *load.Dial {
		return &load.Dial{
			Addr: addr, Request: upgrade(addr, "/connection/websocket"), Opcode: load.OpText, Topic: topic,
			Steps: append([]load.Step{{Send: []byte(`{"id":1,"connect":{}}`), Expect: `"connect"`}}, more...),
		}
	}
	t.Listener = func(i int) *load.Dial {
		topic := i / plan.Listeners
		return dial(topic, load.Step{Send: fmt.Appendf(nil, `{"id":2,"subscribe":{"channel":"t%d"}}`, topic), Expect: `"subscribe"`})
	}
	t.Publisher = func(int) *load.Dial { return dial(load.NoTopic) }
	t.Template = func(topic int) []byte {
		return fmt.Appendf(nil, `{"id":3,"publish":{"channel":"t%d","data":%s}}`, topic, load.Payload(topic, ""))
	}
	t.Scan.KeepAlive = centrifugoPong
	return t, nil
}

// centrifugoPong answers an empty reply, alone or in a frame of several lines.
func centrifugoPong(payload []byte) []byte {
	ping := []byte("{}")
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		if bytes.Equal(line, ping) {
			return ping
		}
	}
	return nil
}
