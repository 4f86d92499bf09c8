package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	insertBlock = `INSERT INTO blocks (org, owner, blocked, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`

	deleteBlock = `DELETE FROM blocks WHERE org = $1 AND owner = $2 AND blocked = $3`

	selectBlocks = `SELECT org, owner, blocked, at FROM blocks WHERE org = $1 AND owner = $2 ORDER BY blocked`

	selectOrgBlocks = `SELECT org, owner, blocked, at FROM blocks WHERE org = $1 LIMIT $2`
)

func scanBlock(row pgx.CollectableRow) (b parley.Block, err error) {
	err = row.Scan(&b.Org, &b.Owner, &b.Blocked, &b.At)
	return b, err
}

// SetBlock implements parley.Tx.
func (t *tx) SetBlock(b *parley.Block, on bool) (changed bool, err error) {
	var n int64
	if on {
		n, err = t.exec("insert block", insertBlock, b.Org, b.Owner, b.Blocked, b.At)
	} else {
		n, err = t.exec("delete block", deleteBlock, b.Org, b.Owner, b.Blocked)
	}
	return n > 0, err
}

// Blocks implements parley.Reader.
func (s *Store) Blocks(ctx context.Context, org parley.OrgID, owner parley.PrincipalID) ([]parley.Block, error) {
	return readAll(ctx, s, "list blocks", scanBlock, selectBlocks, org, owner)
}

// OrgBlocks implements parley.Reader.
func (s *Store) OrgBlocks(ctx context.Context, org parley.OrgID, limit int) ([]parley.Block, error) {
	return readAll(ctx, s, "list blocks", scanBlock, selectOrgBlocks, org, limit)
}
