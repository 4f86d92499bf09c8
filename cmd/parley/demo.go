package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
	"github.com/parley-chat/parley/internal/logging"
)

type demoCmd struct {
	settings
	Message string `default:"Where is my order 12345?" placeholder:"TEXT" help:"What Ann says, \"${default}\" by default."`
}

// Help is what --help says besides.
func (demoCmd) Help() string {
	return "Unless --data names a directory, everything is kept in a temporary one that is removed at the end. " +
		"Where the default addresses are taken, others are used."
}

const (
	demoTimeout  = time.Minute // for the show, not for serving
	demoTokenTTL = 12 * time.Hour
)

// Run starts a server on a store of its own, shows one message travelling through
// all four surfaces and the agent's answer, prints how to connect, and goes on
// serving; in a terminal one can talk with the agent meanwhile. It stops like
// serve, but a second signal cuts the drain short, so that nothing is left behind.
func (c *demoCmd) Run(p *program) error {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	if strings.TrimSpace(c.Message) == "" {
		return usageError{errors.New("--message: Ann has to say something")}
	}
	cfg, cleanup, err := c.prepare(p)
	if err != nil {
		return err
	}
	defer cleanup()
	log := logging.New(p.stderr, cfg.LogFormat, cfg.LogLevel)
	server := app.New(cfg, log)
	if err := server.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop
		}
		return fmt.Errorf("start: %w", err)
	}
	d := &demo{
		program: p, server: server, org: cfg.Org, api: mustServer(server.Addr(), cfg), screen: newScreen(p.stdout), columns: p.columns(),
	}
	err = d.show(ctx, c.Message)
	if err == nil {
		err = d.goOn(ctx)
	}
	if ctx.Err() != nil {
		err = nil // asked to stop
	}
	again, restoreAgain := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restoreAgain()
	return errors.Join(err, stop(again, server, cfg.DrainTimeout, log))
}

// prepare reads the settings. Unless they are named, the data directory is one
// that ends with the demo, and the addresses are the defaults or, where these are
// taken, any that are free.
func (c *demoCmd) prepare(p *program) (cfg *config.Config, cleanup func(), err error) {
	if cfg, err = c.load(p); err != nil {
		return nil, nil, err
	}
	cleanup = func() {}
	if cfg.Source("data") == "default" {
		dir, err := os.MkdirTemp("", "parley-demo-")
		if err != nil {
			return nil, nil, fmt.Errorf("data directory: %w", err)
		}
		cfg.Data, cleanup = dir, func() { os.RemoveAll(dir) }
	}
	if cfg.Source("listen") == "default" {
		cfg.Listen = freeAddress(cfg.Listen)
	}
	if cfg.Source("admin_listen") == "default" {
		cfg.AdminListen = freeAddress(cfg.AdminListen)
	}
	if cfg.Source("open_signup") == "default" {
		cfg.OpenSignup = cfg.Directory // the store ends with the demo, or is the visitor's own
	}
	if cfg.Source("log_level") == "default" {
		cfg.LogLevel = 4 // what happens is shown, not logged
	}
	return cfg, cleanup, nil
}

// freeAddress returns the address if nobody listens there, else one on the same
// host with a port that the system picks.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err == nil {
		l.Close()
		return address
	}
	host, _, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, "0")
}

func mustServer(address string, cfg *config.Config) chatServer {
	scheme := "http"
	if cfg.TLSCert != "" {
		scheme = "https"
	}
	s, err := parseServer(scheme + "://" + address)
	if err != nil {
		panic(err) // a listener's own address
	}
	return s
}

// demo is one run of the show.
type demo struct {
	*program
	server *app.App
	org    parley.OrgID
	api    chatServer
	screen screen
	// columns is how wide the output is.
	columns int

	ann, ben string // their tokens
}

// show makes two people and a conversation, lets one of them ask, and prints what
// the other hears on each surface.
func (d *demo) show(ctx context.Context, message string) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	var err error
	if d.ann, err = d.token("ann", "Ann"); err == nil {
		d.ben, err = d.token("ben", "Ben")
	}
	if err != nil {
		return err
	}
	d.print("Parley is up at %s.\nAnn, Ben and the demo agent are in one conversation.\n", d.api.base)
	conversation, err := d.conversation(ctx)
	if err != nil {
		return err
	}
	ears, err := d.listen(ctx, conversation)
	if err != nil {
		return err
	}
	d.print("Ann posts through the chat surface: %q\nBen hears it on every surface:\n\n", message)
	var sent struct {
		ID string `json:"id"`
	}
	err = d.api.post(ctx, "/v1/chat/messages/send", d.ann, map[string]any{
		"conversation_id": conversation, "content_text": message, "client_msg_id": "demo-1",
	}, &sent)
	if err != nil {
		return fmt.Errorf("post a message: %w", err)
	}
	if err := d.showHeard(ctx, ears); err != nil {
		return err
	}
	d.print("The agent answers, token by token:\n\n")
	if err := d.showAnswer(ctx, ears); err != nil {
		return err
	}
	d.showAddresses(conversation)
	return nil
}

func (d *demo) print(format string, args ...any) { d.screen.print(fmt.Sprintf(format, args...)) }

func (d *demo) token(id parley.PrincipalID, name string) (string, error) {
	return d.server.Mint(auth.Claims{Subject: id, Org: d.org, Name: name, TTL: demoTokenTTL})
}

func (d *demo) conversation(ctx context.Context) (id string, err error) {
	var created struct {
		ID string `json:"id"`
	}
	err = d.api.post(ctx, "/v1/chat/conversations", d.ann, map[string]any{
		"type": "agent_group", "name": "Demo", "participant_ids": []string{"ben", "demo"},
	}, &created)
	if err != nil {
		return "", fmt.Errorf("begin a conversation: %w", err)
	}
	return created.ID, nil
}

// showAddresses prints what a newcomer needs to go on by hand: addresses with the
// first frame to send, and lines for a shell.
func (d *demo) showAddresses(conversation string) {
	base := d.api.base.String()
	d.print(`Connect a WebSocket client (TOKEN is one of those below) and send the frame:

  events  %[1]s/realtime?token=TOKEN&channels=conversation&client_id=me
  bot     %[1]s/ws?token=TOKEN
          {"type":"subscribe","session_id":"%[2]s"}
  topics  %[1]s/ws/topics?token=TOKEN
          {"op":"subscribe","id":"1","topics":["events.%[3]s.conversations.conversation.*.%[2]s"]}
  chat    %[1]s/ws?token=MESSAGING_TOKEN
          {"action":"subscribe","conversation_ids":["%[2]s"]}
          MESSAGING_TOKEN is what GET /v1/messaging/token answers

`, strings.Replace(base, "http", "ws", 1), conversation, d.org)
	if address := d.server.AdminAddr(); address != "" {
		d.print("Metrics are at http://%s/metrics.\n", address)
	}
	d.print(`Ann's and Ben's tokens live for %[1]d hours. For a shell:

ANN=%[2]s
BEN=%[3]s
curl -s %[4]s/v1/chat/messages/send \
  -H "Authorization: Bearer $ANN" -H "Content-Type: application/json" \
  -d '{"conversation_id":"%[5]s",
       "content_text":"Tell me a story"}'

`, int(demoTokenTTL.Hours()), d.ann, d.ben, base, conversation)
}

// goOn serves until it is told to stop; in a terminal one can talk with the agent
// meanwhile.
func (d *demo) goOn(ctx context.Context) error {
	if isTerminal(d.stdin) {
		d.print("Talk with the agent; \"Tell me a story\" is a start. Ctrl-D ends the talk.\n\n")
		chat := chatCmd{URL: d.api.base.String(), Token: d.ann, Bot: "demo", Timeout: 2 * time.Minute}
		if err := chat.talk(ctx, d.program); err != nil && ctx.Err() == nil {
			d.print("parley: %s\n", logging.Redact(err.Error()))
		}
	}
	if ctx.Err() == nil {
		d.print("Serving until Ctrl-C.\n")
		<-ctx.Done()
	}
	d.print("\nStopping.\n")
	return nil
}
