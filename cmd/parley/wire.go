package main

import (
	"log/slog"

	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/config"
)

// newServer makes the server that serve runs.
func newServer(cfg *config.Config, log *slog.Logger) (server, error) { return app.New(cfg, log), nil }
