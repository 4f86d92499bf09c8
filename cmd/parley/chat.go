package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

type chatCmd struct {
	settings
	URL     string        `name:"url" placeholder:"http://127.0.0.1:8080" help:"The server; also PARLEY_URL."`
	Token   string        `placeholder:"TOKEN" help:"Access token; also PARLEY_TOKEN, which other users of the machine cannot see. Without one, a token is made with the key in the data directory."`
	User    string        `default:"user_demo" placeholder:"user_demo" help:"Whom a token made here is for."`
	Bot     string        `default:"demo" placeholder:"demo" help:"The agent to talk with."`
	Session string        `placeholder:"ID" help:"The session to go on with, instead of beginning one."`
	Timeout time.Duration `default:"2m" help:"How long an answer may take, such as 30s or 5m."`
}

// Run sends each line of the input as a message and prints the answers: it waits
// for the end of one before it sends the next line, and ends after the answer to
// the last.
func (c *chatCmd) Run(p *program) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.talk(ctx, p)
}

// talk is Run until ctx ends.
func (c *chatCmd) talk(ctx context.Context, p *program) error {
	token, err := c.tokens(p)
	if err != nil {
		return err
	}
	if c.Timeout <= 0 {
		return usageError{errors.New("--timeout: it must be positive")}
	}
	api, err := parseServer(firstOf(c.URL, p.variable("PARLEY_URL"), "http://127.0.0.1:8080"))
	if err != nil {
		return usageError{err}
	}
	session := c.Session
	if session == "" {
		if session, err = api.begin(ctx, token, c.Bot); err != nil {
			return err
		}
	}
	l := newLink(api, session, token)
	linked, cut := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); l.run(linked) }()
	defer func() { cut(); <-done }()

	talk := &talk{
		link: l, session: session, timeout: c.Timeout, out: newScreen(p.stdout), notes: newScreen(p.stderr),
		interactive: isTerminal(p.stdin), answered: map[string]bool{}, others: map[string]bool{},
	}
	return talk.run(ctx, readLines(linked, p.stdin))
}

// tokens returns where the token comes from. One that is made here is made anew
// for each connection, so that a talk may outlast it.
func (c *chatCmd) tokens(p *program) (func() (string, error), error) {
	if token := firstOf(c.Token, p.variable("PARLEY_TOKEN")); token != "" {
		return func() (string, error) { return token, nil }, nil
	}
	if c.User == "" {
		return nil, usageError{errors.New("--user: it must not be empty")}
	}
	cfg, err := c.load(p)
	if err != nil {
		return nil, err
	}
	keys, err := auth.LoadKeys(cfg.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError{fmt.Errorf("there is no signing key in %s to make a token with; name the server's --data, or a --token", cfg.Data)}
	}
	if err != nil {
		return nil, err
	}
	claims := auth.Claims{Subject: parley.PrincipalID(c.User), Org: cfg.Org}
	return func() (string, error) { return keys.Mint(claims) }, nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// maxLine bounds a line of the input; the server takes frames of 64 KiB.
const maxLine = 1 << 20

// line is a line of the input, perhaps empty, or why there is none.
type line struct {
	text string
	err  error
}

// readLines reads lines until the input or ctx ends; then the channel is closed.
// Its goroutine may stay behind in a read that nothing answers.
func readLines(ctx context.Context, r io.Reader) <-chan line {
	lines := make(chan line)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(r)
		in.Buffer(nil, maxLine)
		send := func(l line) bool {
			select {
			case lines <- l:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for in.Scan() {
			if !send(line{text: strings.TrimSpace(in.Text())}) {
				return
			}
		}
		if err := in.Err(); err != nil {
			send(line{err: fmt.Errorf("read input: %w", err)})
		}
	}()
	return lines
}

// screen writes to a terminal what may hold anything: control characters other
// than line breaks and tabs do nothing there. A pipe gets every byte.
type screen struct {
	w        io.Writer
	terminal bool
}

func newScreen(w io.Writer) screen { return screen{w, isTerminal(w)} }

func (s screen) print(text string) {
	if s.terminal {
		text = strings.Map(func(r rune) rune {
			if r != '\n' && r != '\t' && (r < ' ' || 0x7f <= r && r < 0xa0) {
				return '\ufffd'
			}
			return r
		}, text)
	}
	io.WriteString(s.w, text)
}

// note prints a line that is not part of an answer, dim on a terminal.
func (s screen) note(text string) {
	if !s.terminal {
		s.print(text + "\n")
		return
	}
	io.WriteString(s.w, "\x1b[2m")
	s.print(text)
	io.WriteString(s.w, "\x1b[0m\n")
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
