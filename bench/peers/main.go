// Command peers is the other servers that "parley bench" measures: those that are
// Go libraries, and the floor. It is a module of its own, so that the product does
// not depend on them.
//
//	peers nats ADDR   nats-server, core NATS over WebSocket
//	peers gws ADDR    a broadcast loop around a WebSocket library
//	peers http ADDR   a net/http handler that reads a body and answers
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	commands := map[string]func(addr string) error{"nats": serveNATS, "gws": serveGWS, "http": serveHTTP}
	if len(os.Args) != 3 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peers nats|gws|http HOST:PORT")
		os.Exit(2)
	}
	failed := make(chan error, 1)
	go func() { failed <- commands[os.Args[1]](os.Args[2]) }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-failed:
		fmt.Fprintf(os.Stderr, "peers %s: %v\n", os.Args[1], err)
		os.Exit(1)
	case <-signals:
	}
}
