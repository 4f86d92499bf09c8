package postgres

import (
	"bytes"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// A conversation is counted no further than is needed to leave it out.
	fewMembers = `(SELECT count(*) FROM (SELECT FROM stays x
		WHERE x.org = s.org AND x.conversation = s.conversation AND x.to_change = 0 LIMIT $3::bigint + 1) few) <= $3::bigint`

	// The principal's stays drive, the newest conversation first.
	selectPeers = `
		SELECT p.principal, s.conversation
		FROM stays s
			JOIN conversations c ON c.org = s.org AND c.id = s.conversation
			JOIN stays p ON p.org = s.org AND p.conversation = s.conversation AND p.to_change = 0
		WHERE s.org = $1 AND s.principal = $2 AND s.to_change = 0 AND s.conversation < $4
			AND c.status <> 'deleted' AND ` + fewMembers + `
		ORDER BY s.conversation DESC
		LIMIT $5`

	// For each of those asked about, the conversations of one of the two are walked,
	// the newest first, until one is found among the other's: those of the principal
	// where they are few ($5), else those of who is asked about.
	selectPeersAmong = `
		SELECT o.id, f.conversation
		FROM unnest($4::text[]) AS o (id), LATERAL (
			SELECT s.conversation FROM stays s
				JOIN stays p ON p.org = s.org AND p.conversation = s.conversation AND p.to_change = 0
					AND p.principal = CASE WHEN $5 THEN o.id ELSE $2 END
				JOIN conversations c ON c.org = s.org AND c.id = s.conversation
			WHERE s.org = $1 AND s.principal = CASE WHEN $5 THEN $2 ELSE o.id END AND s.to_change = 0
				AND c.status <> 'deleted' AND ` + fewMembers + `
			ORDER BY s.conversation DESC LIMIT 1) f
		WHERE o.id <> $2`
	countStays = `SELECT count(*) FROM (SELECT FROM stays
		WHERE org = $1 AND principal = $2 AND to_change = 0 LIMIT $3) few`

	// fewStays is up to how many conversations of a principal are walked for each of
	// the others.
	fewStays = 100
)

func scanPeer(row pgx.CollectableRow) (p parley.Peer, err error) {
	err = row.Scan(&p.Principal, intoID(&p.Shared))
	return p, err
}

// Peers implements parley.PeerReader.
func (s *Store) Peers(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, members int, before parley.ConversationID, limit int,
) (peers []parley.Peer, next parley.ConversationID, err error) {
	if before.IsZero() {
		before = parley.ConversationID(bytes.Repeat([]byte{0xff}, len(before)))
	}
	most := limit + members // in which the conversation ends that reaches the limit
	rows, err := readAll(ctx, s, "list peers", scanPeer, selectPeers, org, principal, members, uuid(before), most)
	if err != nil {
		return nil, next, err
	}
	met := map[parley.PrincipalID]struct{}{principal: {}}
	for i, p := range rows {
		if i >= limit && p.Shared != rows[i-1].Shared {
			return peers, rows[i-1].Shared, nil
		}
		if _, again := met[p.Principal]; !again {
			met[p.Principal] = struct{}{}
			peers = append(peers, p)
		}
	}
	return peers, next, nil
}

// PeersAmong implements parley.PeerReader.
func (s *Store) PeersAmong(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, members int, others []parley.PrincipalID,
) ([]parley.Peer, error) {
	stays, err := read(ctx, s, "count stays", pgx.RowTo[int], countStays, org, principal, fewStays+1)
	if err != nil {
		return nil, err
	}
	return readAll(ctx, s, "list peers", scanPeer, selectPeersAmong, org, principal, members, others, stays <= fewStays)
}
