package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/parley-chat/parley"
)

const (
	// A conversation is counted no further than is needed to leave it out.
	fewMembers = `(SELECT count(*) FROM (SELECT 1 FROM memberships x INDEXED BY memberships_open
		WHERE x.org = c.org AND x.conversation = c.id AND x.to_change = 0 LIMIT ?3 + 1)) <= ?3`

	// The principal's stays drive, the newest conversation first; those who share it
	// come from the index of open stays alone. Rows are made as they are read.
	selectPeers = `SELECT p.principal, m.conversation
		FROM memberships m INDEXED BY memberships_list
		CROSS JOIN conversations c ON c.org = m.org AND c.id = m.conversation
		CROSS JOIN memberships p INDEXED BY memberships_open
			ON p.org = m.org AND p.conversation = m.conversation AND p.to_change = 0
		WHERE m.org = ?1 AND m.principal = ?2 AND m.to_change = 0 AND m.conversation < ?4
			AND c.status <> 'deleted' AND ` + fewMembers + `
		ORDER BY m.conversation DESC`

	// For each of those asked about, the conversations of one of the two are walked,
	// the newest first, until one is found among the other's: those of the principal
	// where they are few (?5), else those of who is asked about.
	selectPeersAmong = `SELECT j.value, (
			SELECT m.conversation FROM memberships m INDEXED BY memberships_list
				CROSS JOIN memberships p INDEXED BY memberships_open
					ON p.org = m.org AND p.conversation = m.conversation AND p.to_change = 0
						AND p.principal = iif(?5, j.value, ?2)
				CROSS JOIN conversations c ON c.org = m.org AND c.id = m.conversation
			WHERE m.org = ?1 AND m.principal = iif(?5, ?2, j.value) AND m.to_change = 0
				AND c.status <> 'deleted' AND ` + fewMembers + `
			ORDER BY m.conversation DESC LIMIT 1)
		FROM json_each(?4) j WHERE j.value <> ?2`
	countStays = `SELECT count(*) FROM (SELECT 1 FROM memberships INDEXED BY memberships_list
		WHERE org = ?1 AND principal = ?2 AND to_change = 0 LIMIT ?3 + 0)`

	// fewStays is up to how many conversations of a principal are walked for each of
	// the others.
	fewStays = 100
)

// afterAll sorts behind every conversation.
var afterAll = bytes.Repeat([]byte{0xff}, 17)

// Peers implements parley.PeerReader.
func (s *Store) Peers(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, members int, before parley.ConversationID, limit int,
) (peers []parley.Peer, next parley.ConversationID, err error) {
	bound := afterAll
	if !before.IsZero() {
		bound = before[:]
	}
	read, met := 0, map[parley.PrincipalID]struct{}{principal: {}}
	var last parley.ConversationID
	err = each(ctx, s.reads, selectPeers, []any{string(org), string(principal), members, bound}, func(r row) error {
		var p parley.Peer
		if err := r.Scan(&p.Principal, into(&p.Shared)); err != nil {
			return err
		}
		if read >= limit && p.Shared != last {
			next = last
			return errEnough
		}
		read, last = read+1, p.Shared
		if _, again := met[p.Principal]; !again {
			met[p.Principal] = struct{}{}
			peers = append(peers, p)
		}
		return nil
	})
	if err == errEnough {
		return peers, next, nil
	}
	if err = s.readError(ctx, err); err != nil {
		return nil, next, fmt.Errorf("peers of %s: %w", principal, err)
	}
	return peers, next, nil
}

// PeersAmong implements parley.PeerReader.
func (s *Store) PeersAmong(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, members int, others []parley.PrincipalID,
) (peers []parley.Peer, err error) {
	names, err := json.Marshal(others)
	if err != nil {
		return nil, fmt.Errorf("peers of %s: %w", principal, err)
	}
	var stays int
	key := []any{string(org), string(principal)}
	if err = one(ctx, s.reads, countStays, append(key, fewStays+1), &stays); err == nil {
		err = each(ctx, s.reads, selectPeersAmong, append(key, members, string(names), stays <= fewStays), func(r row) error {
			var p parley.Peer
			if err := r.Scan(&p.Principal, into(&p.Shared)); err != nil || p.Shared.IsZero() {
				return err
			}
			peers = append(peers, p)
			return nil
		})
	}
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("peers of %s: %w", principal, err)
	}
	return peers, nil
}
