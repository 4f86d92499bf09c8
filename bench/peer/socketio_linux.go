package peer

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/proc"
)

// SocketIO is Socket.IO 4 on Node, WebSocket only, its defaults else.
type SocketIO struct{}

//go:embed socketio.cjs
var socketioServer []byte

// Name is "socketio".
func (SocketIO) Name() string { return "socketio" }

// Missing says whether Node is there, and the library where the user said.
func (SocketIO) Missing(env *Env) string {
	if env.Node == "" {
		return "node"
	}
	if _, err := os.Stat(filepath.Join(env.SocketIO, "node_modules", "socket.io")); env.SocketIO == "" || err != nil {
		return `--socketio-dir, a directory in which "npm install socket.io@4.8" was run`
	}
	return ""
}

// Can refuses what it does not have.
func (SocketIO) Can(p *Plan) string {
	return liveAndPlain(p, "it stores nothing")
}

// Start runs the server on Node.
func (SocketIO) Start(ctx context.Context, env *Env, plan *Plan) (*Target, error) {
	script := filepath.Join(env.TempDir, "socketio.cjs")
	if err := os.WriteFile(script, socketioServer, 0o600); err != nil {
		return nil, err
	}
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	p, err := proc.Start(ctx, env.ServerCores, exec.Command(env.Node, script, addr.Addr().String(), fmt.Sprint(addr.Port()), env.SocketIO))
	if err != nil {
		return nil, err
	}
	if err := p.Listening(ctx, addr); err != nil {
		p.Kill()
		return nil, fmt.Errorf("socketio: %w", err)
	}
	t := &Target{Proc: p, Addr: addr, Born: p.RSS()}
	// Packets of Engine.IO (4: message, 2: ping, 3: pong) around those of Socket.IO
	// (0: connect, 2: event, 3: acknowledgement).
	dial := func(topic int, more ...load.Step) *load.Dial {
		return &load.Dial{
			Addr: addr, Request: upgrade(addr, "/socket.io/?EIO=4&transport=websocket"), Opcode: load.OpText, Topic: topic,
			Steps: append([]load.Step{{Send: []byte("40"), Expect: `40{"sid"`}}, more...),
		}
	}
	t.Listener = func(i int) *load.Dial {
		topic := i / plan.Listeners
		return dial(topic, load.Step{Send: fmt.Appendf(nil, `421["join","t%d"]`, topic), Expect: "431["})
	}
	t.Publisher = func(int) *load.Dial { return dial(load.NoTopic) }
	t.Template = func(topic int) []byte {
		return fmt.Appendf(nil, `42["pub","t%d",%s]`, topic, load.Payload(topic, ""))
	}
	t.Scan.KeepAlive = func(payload []byte) []byte {
		if bytes.Equal(payload, []byte("2")) {
			return []byte("3")
		}
		return nil
	}
	return t, nil
}
