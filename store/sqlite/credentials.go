package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

const keyColumns = `id, org, name, principal, scopes, hash, created_at, revoked_at`

const (
	insertKey       = `INSERT INTO api_keys (` + keyColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	selectKeyByHash = `SELECT ` + keyColumns + ` FROM api_keys WHERE hash = ?`
	selectKeys      = `SELECT ` + keyColumns + ` FROM api_keys WHERE org = ? ORDER BY created_at, id`
	revokeKey       = `UPDATE api_keys SET revoked_at = ? WHERE org = ? AND id = ? AND revoked_at = 0`

	insertRevocation  = `INSERT INTO revocations (org, credential, at, until) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	selectRevocations = `SELECT org, credential, at, until FROM revocations WHERE at >= ? ORDER BY at, org, credential`
	// deleteRevocations lets go of a few at a time: more than come.
	deleteRevocations = `DELETE FROM revocations WHERE (org, credential) IN
		(SELECT org, credential FROM revocations WHERE until > 0 AND until < ? ORDER BY until LIMIT 100)`

	upsertNode = `INSERT INTO nodes (node, expires_at) VALUES (?, ?)
		ON CONFLICT (node) DO UPDATE SET expires_at = excluded.expires_at`
	deleteNodes = `DELETE FROM nodes WHERE expires_at <= ?`
	selectNodes = `SELECT node FROM nodes WHERE expires_at > ? ORDER BY node`
)

// keyRow scans a key; finish it with key.
type keyRow struct {
	parley.APIKey
	scopes string // separated by spaces
}

func keyDest(k *keyRow) []any {
	return []any{into(&k.ID), &k.Org, &k.Name, &k.Principal, &k.scopes, &k.Hash,
		timeInto{&k.CreatedAt}, timeInto{&k.RevokedAt}}
}

func (k *keyRow) key() *parley.APIKey {
	for s := range strings.FieldsSeq(k.scopes) {
		k.Scopes = append(k.Scopes, parley.Scope(s))
	}
	return &k.APIKey
}

// InsertKey implements parley.Credentials; parley.ErrConflict where the id or the
// hash is taken.
func (s *Store) InsertKey(ctx context.Context, k *parley.APIKey) error {
	var scopes strings.Builder
	for _, scope := range k.Scopes {
		scopes.WriteString(string(scope) + " ")
	}
	err := s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec(insertKey, k.ID[:], string(k.Org), k.Name, string(k.Principal), scopes.String(), k.Hash,
			micros(k.CreatedAt), micros(k.RevokedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("insert key %s: %w", k.ID, err)
	}
	return nil
}

// KeyByHash implements parley.Credentials.
func (s *Store) KeyByHash(ctx context.Context, hash []byte) (*parley.APIKey, error) {
	k := new(keyRow)
	if err := s.readError(ctx, one(ctx, s.reads, selectKeyByHash, []any{hash}, keyDest(k)...)); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return k.key(), nil
}

// Keys implements parley.Credentials, the oldest first.
func (s *Store) Keys(ctx context.Context, org parley.OrgID) ([]parley.APIKey, error) {
	rows, err := list(ctx, s.reads, selectKeys, []any{string(org)}, keyDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("keys of %s: %w", org, err)
	}
	keys := make([]parley.APIKey, len(rows))
	for i := range rows {
		keys[i] = *rows[i].key()
	}
	return keys, nil
}

// Revoke implements parley.Credentials: the first time it is said counts.
func (s *Store) Revoke(ctx context.Context, r parley.Revocation) error {
	err := s.writer.do(ctx, func(t *tx) error {
		if _, err := t.exec(deleteRevocations, micros(r.At)); err != nil {
			return err
		}
		if _, err := t.exec(insertRevocation, string(r.Org), r.Credential, micros(r.At), micros(r.Until)); err != nil {
			return err
		}
		var id parley.KeyID
		if id.UnmarshalText([]byte(r.Credential)) != nil || id.IsZero() {
			return nil // a token's
		}
		_, err := t.exec(revokeKey, micros(r.At), string(r.Org), id[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}

// Revocations implements parley.Credentials, the earliest first.
func (s *Store) Revocations(ctx context.Context, since time.Time) ([]parley.Revocation, error) {
	all, err := list(ctx, s.reads, selectRevocations, []any{micros(since)}, func(r *parley.Revocation) []any {
		return []any{&r.Org, &r.Credential, timeInto{&r.At}, timeInto{&r.Until}}
	})
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("revocations: %w", err)
	}
	return all, nil
}

// Heartbeat implements parley.Credentials, by this machine's clock.
func (s *Store) Heartbeat(ctx context.Context, node string, ttl time.Duration) error {
	now := time.Now()
	err := s.writer.do(ctx, func(t *tx) error {
		if _, err := t.exec(deleteNodes, micros(now)); err != nil {
			return err
		}
		_, err := t.exec(upsertNode, node, micros(now.Add(ttl)))
		return err
	})
	if err != nil {
		return fmt.Errorf("heartbeat of %s: %w", node, err)
	}
	return nil
}

// LiveNodes implements parley.Credentials.
func (s *Store) LiveNodes(ctx context.Context) ([]string, error) {
	nodes, err := list(ctx, s.reads, selectNodes, []any{micros(time.Now())}, func(n *string) []any { return []any{n} })
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("live nodes: %w", err)
	}
	return nodes, nil
}
