package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// Who has not changed costs no write.
	upsertPrincipal = `
		INSERT INTO principals AS p (org, id, kind, name, email) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org, id) DO UPDATE SET kind = excluded.kind, name = excluded.name, email = excluded.email
		WHERE (p.kind, p.name, p.email) <> (excluded.kind, excluded.name, excluded.email)`

	selectPrincipal = `SELECT org, id, kind, name, email FROM principals WHERE org = $1 AND id = $2`
)

func scanPrincipal(row pgx.CollectableRow) (p parley.Principal, err error) {
	err = row.Scan(&p.Org, &p.ID, &p.Kind, &p.Name, &p.Email)
	return p, err
}

// UpsertPrincipal implements parley.Tx. What belongs to a credential (class,
// scopes, expiry) is not remembered.
func (t *tx) UpsertPrincipal(p *parley.Principal) error {
	_, err := t.exec("upsert principal", upsertPrincipal, p.Org, p.ID, p.Kind, p.Name, p.Email)
	return err
}

// Principal implements parley.Tx.
func (t *tx) Principal(org parley.OrgID, id parley.PrincipalID) (*parley.Principal, error) {
	return get(t, "find principal", scanPrincipal, selectPrincipal, org, id)
}

// Principal implements parley.Reader.
func (s *Store) Principal(ctx context.Context, org parley.OrgID, id parley.PrincipalID) (*parley.Principal, error) {
	p, err := read(ctx, s, "read principal", scanPrincipal, selectPrincipal, org, id)
	if err != nil {
		return nil, err
	}
	return &p, nil
}
