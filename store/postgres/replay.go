package postgres

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// selectReplay finds the first $6 events after $4 up to $5 that have one of the
	// keys $2 or concern a conversation that $3 has or had a stay in. It looks once at
	// the head of each key, once at the first event of each that has news, and then
	// only at the keys that can be among the first.
	selectReplay = `
		WITH wanted AS (
			SELECT unnest($2::text[]) AS key
			UNION
			SELECT 'c/' || conversation FROM stays WHERE org = $1 AND principal = $3
		), firsts AS MATERIALIZED (
			SELECT w.key, f.pos
			FROM wanted w
			JOIN heads h ON h.org = $1 AND h.key = w.key AND h.last > $4
			CROSS JOIN LATERAL (
				SELECT pos FROM event_keys
				WHERE org = $1 AND key = w.key AND pos > $4 AND pos <= $5
				ORDER BY pos LIMIT 1
			) f
		), bound AS ( -- so many keys begin up to here that the rest cannot matter
			SELECT CASE WHEN count(*) < $6 THEN $5 ELSE max(pos) END AS pos
			FROM (SELECT DISTINCT pos FROM firsts ORDER BY pos LIMIT $6) least
		), found AS (
			SELECT DISTINCT k.pos
			FROM bound b
			JOIN firsts f ON f.pos <= b.pos
			CROSS JOIN LATERAL (
				SELECT pos FROM event_keys
				WHERE org = $1 AND key = f.key AND pos >= f.pos AND pos <= b.pos
				ORDER BY pos LIMIT $6
			) k
			ORDER BY k.pos LIMIT $6
		)
		SELECT e.pos, e.epoch, e.body
		FROM found JOIN events e ON e.org = $1 AND e.pos = found.pos
		ORDER BY e.pos`

	// selectTrimmed asks whether one of the keys lost an event after an offset.
	selectTrimmed = `
		SELECT EXISTS (
			SELECT FROM trims WHERE org = $1 AND key = ANY($2::text[]) AND upto > $4
		) OR EXISTS (
			SELECT FROM stays s JOIN trims t ON t.org = s.org AND t.key = 'c/' || s.conversation
			WHERE s.org = $1 AND s.principal = $3 AND t.upto > $4
		)`
)

// wholeLog is the key of trims that stands for an org's whole log.
const wholeLog = ""

// Replay implements parley.Log. A limit below 1 is 100.
func (s *Store) Replay(ctx context.Context, q parley.ReplayQuery) ([]*parley.Event, uint64, error) {
	if q.After >= q.UpTo {
		return nil, q.UpTo, nil
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	var events []*parley.Event
	var err error
	if q.All {
		events, err = s.ReadLog(ctx, q.Org, q.After, q.UpTo, limit+1)
	} else {
		events, err = readAll(ctx, s, "replay", scanEvent, selectReplay,
			q.Org, keys(&q), q.Member, bigint(q.After), bigint(q.UpTo), limit+1)
	}
	switch {
	case err != nil:
		return nil, 0, err
	case len(events) <= limit:
		return events, q.UpTo, nil
	}
	events = events[:limit]
	return events, events[limit-1].Position.Offset, nil
}

// CheckCursor implements parley.Log.
func (s *Store) CheckCursor(ctx context.Context, q parley.ReplayQuery, at parley.Position) error {
	if at != (parley.Position{}) {
		epoch, head, err := s.locate(ctx, q.Org, at.Offset)
		if err != nil {
			return err
		}
		if at.Offset == 0 || at.Offset > head || epoch != at.Epoch {
			return parley.ErrCursor
		}
	}
	wanted, member := keys(&q), q.Member
	if q.All {
		wanted, member = []string{wholeLog}, ""
	}
	gone, err := read(ctx, s, "check cursor", pgx.RowTo[bool], selectTrimmed, q.Org, wanted, member, bigint(at.Offset))
	if err == nil && gone {
		err = parley.ErrGone
	}
	return err
}

// keys are the keys of a query as an argument: no keys are not NULL. Those that
// the database cannot hold, no event has: clients name channels as they like.
func keys(q *parley.ReplayQuery) []string {
	list := make([]string, 0, len(q.Keys))
	for _, k := range q.Keys {
		if utf8.ValidString(k) && !strings.Contains(k, "\x00") {
			list = append(list, k)
		}
	}
	return list
}
