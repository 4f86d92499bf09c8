package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/parley-chat/parley/internal/logging"
)

type serveCmd struct{ settings }

// server is what serve runs.
type server interface {
	// Start returns once clients can connect.
	Start(ctx context.Context) error
	// Addr is where they can, host:port.
	Addr() string
	// Stop tells clients to come back, finishes what was begun and returns, at the
	// latest when ctx ends.
	Stop(ctx context.Context) error
}

// Run serves until SIGTERM or SIGINT, then drains. A second signal ends the
// process at once.
func (c *serveCmd) Run(p *program) error {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer restore()
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	log := logging.New(p.stderr, cfg.LogFormat, cfg.LogLevel)
	s, err := p.newServer(cfg, log)
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	log.Info("serving", "address", s.Addr())
	<-ctx.Done()
	restore()

	log.Info("stopping", "within", cfg.DrainTimeout)
	stop, cancel := context.WithTimeout(context.Background(), cfg.DrainTimeout)
	defer cancel()
	switch err := s.Stop(stop); {
	case errors.Is(err, context.DeadlineExceeded):
		log.Warn("stopped before everyone was done", "error", err)
	case err != nil:
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}
