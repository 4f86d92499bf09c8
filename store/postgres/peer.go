package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

// The principal's stays drive. A conversation is counted no further than is needed
// to leave it out.
const selectPeers = `
	SELECT DISTINCT ON (p.principal COLLATE "C") p.principal, p.conversation
	FROM stays s
		JOIN conversations c ON c.org = s.org AND c.id = s.conversation
		JOIN stays p ON p.org = s.org AND p.conversation = s.conversation AND p.to_change = 0
	WHERE s.org = $1 AND s.principal = $2 AND s.to_change = 0 AND c.status <> 'deleted'
		AND p.principal COLLATE "C" > $4 AND p.principal <> $2
		AND (SELECT count(*) FROM (SELECT FROM stays x
			WHERE x.org = s.org AND x.conversation = s.conversation AND x.to_change = 0 LIMIT $3::bigint + 1) few) <= $3::bigint
	ORDER BY p.principal COLLATE "C", p.conversation DESC
	LIMIT $5`

func scanPeer(row pgx.CollectableRow) (p parley.Peer, err error) {
	err = row.Scan(&p.Principal, intoID(&p.Shared))
	return p, err
}

// Peers implements parley.PeerReader.
func (s *Store) Peers(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, members int, after parley.PrincipalID, limit int,
) ([]parley.Peer, error) {
	return readAll(ctx, s, "list peers", scanPeer, selectPeers, org, principal, members, after, limit)
}
