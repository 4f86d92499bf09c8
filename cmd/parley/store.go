package main

import (
	"context"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/config"
)

// openStore opens the configured store beside a server that may be using it, for
// credentials only.
func openStore(ctx context.Context, cfg *config.Config) (parley.Store, error) {
	return app.OpenStore(ctx, cfg, false)
}
