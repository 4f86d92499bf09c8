package main

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

type tokenCmd struct {
	settings
	User  string        `required:"" placeholder:"ID" help:"Whom the token is for: any id that your product knows them by."`
	Name  string        `placeholder:"NAME" help:"Name to show."`
	Email string        `placeholder:"ADDRESS" help:"Email address."`
	Kind  string        `enum:"user,agent,service" default:"user" placeholder:"user" help:"What acts with it: user, agent or service."`
	Scope []string      `placeholder:"SCOPE" help:"What it may do, resource:action; may be repeated. Without it, what a user may."`
	TTL   time.Duration `name:"ttl" default:"1h" help:"How long it lives, such as 90s, 15m or 24h."`
}

// Run prints an access token signed by the key in the data directory, which is
// made where there is none: the server need not run, and takes the token when it
// does.
func (c *tokenCmd) Run(p *program) error {
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	scopes, err := parseScopes(c.Scope)
	if err != nil {
		return err
	}
	if c.TTL < time.Second {
		return usageError{fmt.Errorf("--ttl: %s is too short", c.TTL)}
	}
	keys, err := auth.OpenKeys(cfg.Data)
	if err != nil {
		return err
	}
	token, err := keys.Mint(auth.Claims{
		Subject: parley.PrincipalID(c.User), Org: cfg.Org, Kind: parley.PrincipalKind(c.Kind),
		Name: c.Name, Email: c.Email, Scopes: scopes, TTL: c.TTL,
	})
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}
