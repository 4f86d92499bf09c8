package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const (
	insertBlock     = `INSERT INTO blocks (org, owner, blocked, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	deleteBlock     = `DELETE FROM blocks WHERE org = ? AND owner = ? AND blocked = ?`
	selectBlocks    = `SELECT org, owner, blocked, at FROM blocks WHERE org = ? AND owner = ? ORDER BY blocked`
	selectOrgBlocks = `SELECT org, owner, blocked, at FROM blocks WHERE org = ?1 LIMIT ?2 + 0`
)

// SetBlock implements parley.Tx.
func (t *tx) SetBlock(b *parley.Block, on bool) (changed bool, err error) {
	var n int64
	if on {
		n, err = t.exec(insertBlock, string(b.Org), string(b.Owner), string(b.Blocked), micros(b.At))
	} else {
		n, err = t.exec(deleteBlock, string(b.Org), string(b.Owner), string(b.Blocked))
	}
	if err != nil {
		return false, fmt.Errorf("set block: %w", err)
	}
	return n > 0, nil
}

// Blocks implements parley.Reader.
func (s *Store) Blocks(ctx context.Context, org parley.OrgID, owner parley.PrincipalID) ([]parley.Block, error) {
	all, err := list(ctx, s.reads, selectBlocks, []any{string(org), string(owner)}, blockDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("blocks of %s: %w", owner, err)
	}
	return all, nil
}

// OrgBlocks implements parley.Reader.
func (s *Store) OrgBlocks(ctx context.Context, org parley.OrgID, limit int) ([]parley.Block, error) {
	all, err := list(ctx, s.reads, selectOrgBlocks, []any{string(org), limit}, blockDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("blocks in %s: %w", org, err)
	}
	return all, nil
}

func blockDest(b *parley.Block) []any { return []any{&b.Org, &b.Owner, &b.Blocked, timeInto{&b.At}} }
