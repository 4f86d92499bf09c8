package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key and print its secret, once."`
	List   keyListCmd   `cmd:"" help:"List the keys of the org."`
	Revoke keyRevokeCmd `cmd:"" help:"Withdraw a key, within a second on every node."`
}

func newKeyCmd() keyCmd {
	s := func() settings { return newSettings("data", "org", "store_url", "sqlite_synchronous") }
	return keyCmd{keyCreateCmd{settings: s()}, keyListCmd{settings: s()}, keyRevokeCmd{settings: s()}}
}

type keyCreateCmd struct {
	settings
	Name  string   `required:"" placeholder:"NAME" help:"What the key is for."`
	As    string   `placeholder:"ID" help:"Principal that acts with it, the same for keys that follow one another; the key's own id without it."`
	Scope []string `placeholder:"SCOPE" help:"What it may do, resource:action; may be repeated. Without it, what a user may and system:publish."`
}

// Run prints the secret alone on stdout, and what the key is on stderr.
func (c *keyCreateCmd) Run(p *program) error {
	scopes, err := parseScopes(c.Scope)
	if err != nil {
		return err
	}
	return c.withStore(p, func(ctx context.Context, cfg *config.Config, store parley.Credentials) error {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		secret, key, err := auth.NewKey(parley.KeyID(id), cfg.Org, c.Name, parley.PrincipalID(c.As), scopes)
		if err != nil {
			return usageError{err}
		}
		if err := store.InsertKey(ctx, key); err != nil {
			return fmt.Errorf("store API key: %w", err)
		}
		fmt.Fprintf(p.stderr, "%s %q acts as %s in %s and may %s.\nIts secret is shown this once:\n",
			key.ID, key.Name, key.Principal, key.Org, scopeList(key.Scopes, ", "))
		_, err = fmt.Fprintln(p.stdout, secret)
		return err
	})
}

type keyListCmd struct{ settings }

// Run prints a table, revoked keys too.
func (c *keyListCmd) Run(p *program) error {
	return c.withStore(p, func(ctx context.Context, cfg *config.Config, store parley.Credentials) error {
		keys, err := store.Keys(ctx, cfg.Org)
		if err != nil {
			return fmt.Errorf("list API keys: %w", err)
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tACTS AS\tCREATED\tREVOKED\tSCOPES")
		for _, k := range keys {
			revoked := "-"
			if !k.RevokedAt.IsZero() {
				revoked = k.RevokedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Principal, k.CreatedAt.UTC().Format(time.RFC3339), revoked, scopeList(k.Scopes, ","))
		}
		return w.Flush()
	})
}

type keyRevokeCmd struct {
	settings
	ID string `arg:"" help:"The key's id, as key list shows it."`
}

// Run withdraws a key; one that was withdrawn already stays so.
func (c *keyRevokeCmd) Run(p *program) error {
	var id parley.KeyID
	if err := id.UnmarshalText([]byte(c.ID)); err != nil || id.IsZero() {
		return usageError{fmt.Errorf("%q is not the id of a key; parley key list shows them", c.ID)}
	}
	return c.withStore(p, func(ctx context.Context, cfg *config.Config, store parley.Credentials) error {
		keys, err := store.Keys(ctx, cfg.Org)
		if err != nil {
			return fmt.Errorf("list API keys: %w", err)
		}
		if !slices.ContainsFunc(keys, func(k parley.APIKey) bool { return k.ID == id }) {
			return fmt.Errorf("%s has no key %s", cfg.Org, id)
		}
		if err := store.Revoke(ctx, parley.Revocation{Org: cfg.Org, Credential: id.String(), At: time.Now().UTC()}); err != nil {
			return fmt.Errorf("revoke API key: %w", err)
		}
		fmt.Fprintf(p.stderr, "%s is revoked.\n", id)
		return nil
	})
}

// withStore runs fn with the configured store, whether or not a server uses it
// at the same time.
func (s *settings) withStore(p *program, fn func(context.Context, *config.Config, parley.Credentials) error) error {
	cfg, err := s.load(p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store, err := openStore(ctx, cfg)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	err = fn(ctx, cfg, store)
	if closeErr := store.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close store: %w", closeErr)
	}
	return err
}

func scopeList(scopes []parley.Scope, sep string) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, sep)
}
