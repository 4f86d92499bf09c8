package main

import (
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serveNATS runs nats-server as it comes, with its WebSocket listener.
func serveNATS(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	opts := &server.Options{
		Host: host, Port: server.RANDOM_PORT, MaxConn: 100_000, NoSigs: true, NoLog: true,
		Websocket: server.WebsocketOpts{Host: host, Port: n, NoTLS: true},
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("it is not ready after 10 s")
	}
	s.WaitForShutdown()
	return errors.New("it has shut down")
}
