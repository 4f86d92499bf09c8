// Command parley is the real-time backbone of an AI chat product in one binary:
// the server and the tools around it (design.md section 11).
package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/parley-chat/parley/config"
	"github.com/parley-chat/parley/internal/logging"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())) }

// run is the whole command: what is asked for goes to stdout, everything else to
// stderr. It returns the exit code: 0, 1 where the command failed, 2 where it was
// called or configured wrong.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, env: env, newServer: newServer}
	return p.run(args)
}

// program is one run of the command and what it touches of the outside.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            []string // as os.Environ gives it
	newServer      func(*config.Config, *slog.Logger) (server, error)
}

// cli is the command line: one field for each command.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Show one message travelling through all four surfaces, and go on serving."`
	Serve   serveCmd   `cmd:"" help:"Run the server until SIGTERM or Ctrl-C."`
	Token   tokenCmd   `cmd:"" help:"Print an access token, whether or not the server runs."`
	Key     keyCmd     `cmd:"" help:"Create, list and revoke API keys of back ends."`
	Chat    chatCmd    `cmd:"" help:"Talk with an agent: each line of the input is a message."`
	Config  configCmd  `cmd:"" help:"Print the effective configuration, each value with its source."`
	Bench   benchCmd   `cmd:"" help:"Measure this server and others on this machine."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// usageError is the caller's mistake: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exited is thrown by kong's Exit, which follows --help, to leave the parser.
type exited struct{ code int }

func (p *program) run(args []string) (code int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			code = r.code
		default:
			panic(r)
		}
	}()
	parser, err := kong.New(newCLI(),
		kong.Name("parley"), kong.Description("The real-time backbone of an AI chat product. Begin with \"parley demo\"."),
		kong.Writers(p.stdout, p.stderr), kong.Bind(p), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Exit(func(code int) { panic(exited{code}) }),
	)
	if err != nil {
		return p.fail(err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return p.misused(err)
	}
	if err := ctx.Run(); err != nil {
		return p.fail(err)
	}
	return 0
}

func newCLI() *cli {
	return &cli{
		Demo:   demoCmd{settings: newSettings()},
		Serve:  serveCmd{settings: newSettings()},
		Token:  tokenCmd{settings: newSettings("data", "org")},
		Key:    newKeyCmd(),
		Chat:   chatCmd{settings: newSettings("data", "org")},
		Config: configCmd{settings: newSettings()},
	}
}

// misused answers a command line that cannot be read with one sentence and the
// usage of the command that comes nearest.
func (p *program) misused(err error) int {
	fmt.Fprintf(p.stderr, "parley: %s\n", err)
	usage, command := "parley <command>", "parley"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil { // nil where no command was named
			usage, command = "parley "+node.Summary(), "parley "+node.Path()
		}
	}
	fmt.Fprintf(p.stderr, "Usage: %s\nRun \"%s --help\" for more.\n", usage, command)
	return 2
}

// fail tells an error, one line for each part of it, without what might be a
// secret in it.
func (p *program) fail(err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.stderr, "parley: %s\n", logging.Redact(strings.TrimSuffix(line, "\n")))
	}
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}
