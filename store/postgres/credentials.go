package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const keyColumns = `id, org, name, principal, scopes, hash, created_at, revoked_at`

const (
	insertKey = `
		INSERT INTO api_keys (` + keyColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT DO NOTHING`

	selectKeyByHash = `SELECT ` + keyColumns + ` FROM api_keys WHERE hash = $1`

	selectKeys = `SELECT ` + keyColumns + ` FROM api_keys WHERE org = $1 ORDER BY created_at, id`

	// revoke keeps the first time it was said. $5 is the id of a key; NULL where the
	// credential is a token's. It lets go of what has ended, a few at a time, which is
	// more than come, and not of what another revocation lets go of at the moment.
	revoke = `
		WITH marked AS (
			UPDATE api_keys SET revoked_at = $3 WHERE org = $1 AND id = $5 AND revoked_at IS NULL
		), ended AS (
			DELETE FROM revocations WHERE (org, credential) IN (
				SELECT org, credential FROM revocations WHERE until < $3 ORDER BY until LIMIT 100
				FOR UPDATE SKIP LOCKED)
		)
		INSERT INTO revocations (org, credential, at, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`

	selectRevocations = `SELECT org, credential, at, until FROM revocations WHERE at >= $1 ORDER BY at, org, credential`

	// heartbeat forgets, on the way, the nodes that have been dead for an hour.
	heartbeat = `
		WITH forgotten AS (
			DELETE FROM nodes WHERE node <> $1 AND expires_at < clock_timestamp() - interval '1 hour'
		)
		INSERT INTO nodes (node, expires_at) VALUES ($1, clock_timestamp() + $2::interval)
		ON CONFLICT (node) DO UPDATE SET expires_at = excluded.expires_at`

	selectNodes = `SELECT node FROM nodes WHERE expires_at > clock_timestamp() ORDER BY node`
)

func scanKey(row pgx.CollectableRow) (k parley.APIKey, err error) {
	var revoked *time.Time
	err = row.Scan(intoID(&k.ID), &k.Org, &k.Name, &k.Principal, &k.Scopes, &k.Hash, &k.CreatedAt, &revoked)
	if revoked != nil {
		k.RevokedAt = *revoked
	}
	return k, err
}

// InsertKey implements parley.Credentials. ErrConflict where the id or the hash is
// taken.
func (s *Store) InsertKey(ctx context.Context, k *parley.APIKey) error {
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	n, err := s.write(ctx, "insert key", insertKey,
		uuid(k.ID), k.Org, k.Name, k.Principal, scopes, k.Hash, k.CreatedAt, timeOrNull(k.RevokedAt))
	if err == nil && n == 0 {
		err = parley.ErrConflict
	}
	return err
}

// KeyByHash implements parley.Credentials.
func (s *Store) KeyByHash(ctx context.Context, hash []byte) (*parley.APIKey, error) {
	k, err := read(ctx, s, "find key", scanKey, selectKeyByHash, hash)
	if err != nil {
		return nil, err
	}
	return &k, nil
}

// Keys implements parley.Credentials, the oldest first.
func (s *Store) Keys(ctx context.Context, org parley.OrgID) ([]parley.APIKey, error) {
	return readAll(ctx, s, "list keys", scanKey, selectKeys, org)
}

// Revoke implements parley.Credentials: the first time it is said counts.
func (s *Store) Revoke(ctx context.Context, r parley.Revocation) error {
	var key parley.KeyID
	if key.UnmarshalText([]byte(r.Credential)) != nil {
		key = parley.KeyID{} // a token's
	}
	_, err := s.write(ctx, "revoke credential", revoke, r.Org, r.Credential, r.At, timeOrNull(r.Until), uuidOrNull(key))
	return err
}

// Revocations implements parley.Credentials, the earliest first.
func (s *Store) Revocations(ctx context.Context, since time.Time) ([]parley.Revocation, error) {
	scan := func(row pgx.CollectableRow) (r parley.Revocation, err error) {
		var until *time.Time
		err = row.Scan(&r.Org, &r.Credential, &r.At, &until)
		if until != nil {
			r.Until = *until
		}
		return r, err
	}
	return readAll(ctx, s, "list revocations", scan, selectRevocations, micros(since))
}

// Heartbeat implements parley.Credentials, by the database's clock.
func (s *Store) Heartbeat(ctx context.Context, node string, ttl time.Duration) error {
	_, err := s.write(ctx, "heartbeat", heartbeat, node, ttl)
	return err
}

// LiveNodes implements parley.Credentials, in the order of their names.
func (s *Store) LiveNodes(ctx context.Context) ([]string, error) {
	return readAll(ctx, s, "list live nodes", pgx.RowTo[string], selectNodes)
}
