package main

import "time"

// benchCmd reproduces the published figures on the user's machine. What it does is
// for Linux only: bench_linux.go.
type benchCmd struct {
	Scenario []string `placeholder:"NAME" default:"fanout-1k,many,steady" help:"What is measured; --list shows them all."`
	Peers    []string `placeholder:"NAME" default:"parley-topics,nats,gws" help:"Who is measured: parley-topics, parley-events, parley-bot, parley-chat (parley for all four), nats, gws, socketio, centrifugo, nethttp."`
	Rounds   int      `default:"5" placeholder:"5" help:"How often each is measured; the figure is the median."`
	List     bool     `help:"List the scenarios and end."`

	Durable bool          `help:"Publish what is stored, in the scenarios that fan out."`
	TLS     bool          `name:"tls" help:"Connect to Parley with TLS."`
	Poll    bool          `help:"Have the generator poll: what the server writes need not wake it, as it need not wake clients elsewhere."`
	Warm    time.Duration `default:"1s" placeholder:"1s" help:"Time before what is measured."`
	For     time.Duration `default:"5s" placeholder:"5s" help:"Time that is measured."`
	Window  int           `placeholder:"N" help:"Messages under way at once, where the scenario is saturated."`
	Rate    float64       `placeholder:"N" help:"Messages a second, where the scenario has a fixed rate."`
	Shrink  int           `placeholder:"N" help:"Divide the number of listeners by this, to try a scenario out."`

	With []string `placeholder:"FILE" help:"Show figures of the same commit and machine, written by --json before, too."`
	JSON string   `name:"json" placeholder:"FILE" help:"Write all figures to a file."`
	SVG  string   `name:"svg" placeholder:"FILE" help:"Draw the medians into a file."`

	PeerDir       string `default:"bench/peers" placeholder:"DIR" help:"Where the module with the peers' source is."`
	SocketIODir   string `name:"socketio-dir" placeholder:"DIR" help:"Directory in which \"npm install socket.io@4.8\" was run."`
	Centrifugo    string `placeholder:"FILE" help:"A Centrifugo binary."`
	ServerCores   []int  `placeholder:"N" help:"Cores of the server; the first one unless named."`
	Priority      bool   `help:"Let server and generator go before all else on their cores, for a machine that is shared; needs root."`
	GeneratorCore int    `default:"-1" placeholder:"N" help:"Core of the generator; the second one unless named."`
}
