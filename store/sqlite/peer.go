package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

// The principal's stays drive; those who share them come from the index of open
// stays alone. A conversation is counted no further than is needed to leave it out.
const selectPeers = `SELECT p.principal, max(p.conversation)
	FROM memberships m INDEXED BY memberships_principal
	CROSS JOIN conversations c ON c.org = m.org AND c.id = m.conversation
	CROSS JOIN memberships p INDEXED BY memberships_open
		ON p.org = m.org AND p.conversation = m.conversation AND p.to_change = 0
	WHERE m.org = ?1 AND m.principal = ?2 AND m.to_change = 0 AND c.status <> 'deleted'
		AND p.principal > ?4 AND p.principal <> ?2
		AND (SELECT count(*) FROM (SELECT 1 FROM memberships x INDEXED BY memberships_open
			WHERE x.org = m.org AND x.conversation = m.conversation AND x.to_change = 0 LIMIT ?3 + 1)) <= ?3
	GROUP BY p.principal ORDER BY p.principal LIMIT ?5 + 0`

// Peers implements parley.PeerReader.
func (s *Store) Peers(ctx context.Context, org parley.OrgID, principal parley.PrincipalID, members int, after parley.PrincipalID, limit int) ([]parley.Peer, error) {
	args := []any{string(org), string(principal), members, string(after), limit}
	all, err := list(ctx, s.reads, selectPeers, args, func(p *parley.Peer) []any {
		return []any{&p.Principal, into(&p.Shared)}
	})
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("peers of %s: %w", principal, err)
	}
	return all, nil
}
