package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	selectHead = `SELECT org, head, epoch FROM orgs WHERE org = $1`

	selectHeads = `SELECT org, head, epoch FROM orgs`

	selectLog = `
		SELECT pos, epoch, body FROM events
		WHERE org = $1 AND pos > $2 AND pos <= $3
		ORDER BY pos LIMIT $4`

	selectChanges = `
		SELECT coalesce(pos, 0), coalesce(epoch, 0), body FROM events
		WHERE org = $1 AND conversation = $2 AND change_seq > $3 AND change_seq <= $4
		ORDER BY change_seq LIMIT $5`

	// locate answers the head and the epoch of an offset, NULL for none.
	locate = `
		SELECT o.head, (SELECT e.epoch FROM epochs e WHERE e.org = o.org AND e.first <= $2 ORDER BY e.first DESC LIMIT 1)
		FROM orgs o WHERE o.org = $1`

	selectLast = `SELECT last FROM heads WHERE org = $1 AND key = $2`

	selectCheckpoint = `SELECT pos FROM checkpoints WHERE worker = $1 AND org = $2`

	upsertCheckpoint = `
		INSERT INTO checkpoints AS c (worker, org, pos) VALUES ($1, $2, $3)
		ON CONFLICT (worker, org) DO UPDATE SET pos = excluded.pos WHERE c.pos < excluded.pos`

	// onlyByIndex keeps the planner from scanning tables to delete a few of their rows.
	onlyByIndex = `SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off`

	trimBatch = 500 // events that one transaction deletes, as in trimLog

	// trimLog has its limit in the text, so that the planner knows it.
	trimLog = `
		WITH old AS (
			SELECT draw FROM events WHERE at < $1 AND pos IS NOT NULL ORDER BY at LIMIT 500
		), deleted AS (
			DELETE FROM events e USING old WHERE e.draw = old.draw RETURNING e.org, e.pos, e.keys
		), unkeyed AS (
			DELETE FROM event_keys k USING (SELECT org, unnest(keys) AS key, pos FROM deleted) d
			WHERE k.org = d.org AND k.key = d.key AND k.pos = d.pos
		), marked AS ( -- the key '' is the org's whole log
			INSERT INTO trims AS t (org, key, upto)
			SELECT org, key, max(pos) FROM deleted, unnest(keys || ''::text) AS key GROUP BY org, key
			ON CONFLICT (org, key) DO UPDATE SET upto = greatest(t.upto, excluded.upto)
		)
		SELECT count(*) FROM deleted`
)

func scanEvent(row pgx.CollectableRow) (*parley.Event, error) {
	var at parley.Position
	var epoch int64
	var body []byte
	if err := row.Scan(&at.Offset, &epoch, &body); err != nil {
		return nil, err
	}
	e, err := parley.UnmarshalEvent(body)
	if err != nil {
		return nil, fmt.Errorf("event at %d: %w", at.Offset, err)
	}
	at.Epoch = parley.Epoch(epoch)
	e.Position = at
	return e, nil
}

// orgHead is the last Position of an org.
type orgHead struct {
	org parley.OrgID
	at  parley.Position
}

func scanHead(row pgx.CollectableRow) (h orgHead, err error) {
	var epoch int64
	err = row.Scan(&h.org, &h.at.Offset, &epoch)
	h.at.Epoch = parley.Epoch(epoch)
	return h, err
}

// noneIsZero makes a row that is not there the zero value.
func noneIsZero(err error) error {
	if errors.Is(err, parley.ErrNotFound) {
		return nil
	}
	return err
}

// Head implements parley.Log.
func (s *Store) Head(ctx context.Context, org parley.OrgID) (parley.Position, error) {
	h, err := read(ctx, s, "read head", scanHead, selectHead, org)
	return h.at, noneIsZero(err)
}

// Heads implements parley.Log.
func (s *Store) Heads(ctx context.Context) (map[parley.OrgID]parley.Position, error) {
	all, err := readAll(ctx, s, "read heads", scanHead, selectHeads)
	if err != nil {
		return nil, err
	}
	heads := make(map[parley.OrgID]parley.Position, len(all))
	for _, h := range all {
		heads[h.org] = h.at
	}
	return heads, nil
}

// ReadLog implements parley.Log. A limit below 1 is 100.
func (s *Store) ReadLog(ctx context.Context, org parley.OrgID, after, upTo uint64, limit int) ([]*parley.Event, error) {
	if limit <= 0 {
		limit = defaultPage
	}
	return readAll(ctx, s, "read log", scanEvent, selectLog, org, bigint(after), bigint(upTo), limit)
}

// Locate implements parley.Log. ErrNotFound where the offset is beyond the head.
func (s *Store) Locate(ctx context.Context, org parley.OrgID, offset uint64) (parley.Position, error) {
	if offset == 0 {
		return parley.Position{}, nil
	}
	epoch, head, err := s.locate(ctx, org, offset)
	if err == nil && offset > head {
		err = parley.ErrNotFound
	}
	if err != nil {
		return parley.Position{}, err
	}
	return parley.Position{Epoch: epoch, Offset: offset}, nil
}

// locate returns the epoch of an offset and the org's head. The epoch means nothing
// for an offset beyond the head, and is 0 for the offset 0.
func (s *Store) locate(ctx context.Context, org parley.OrgID, offset uint64) (epoch parley.Epoch, head uint64, err error) {
	type place struct {
		head  uint64
		epoch *int64
	}
	scan := func(row pgx.CollectableRow) (p place, err error) {
		err = row.Scan(&p.head, &p.epoch)
		return p, err
	}
	p, err := read(ctx, s, "locate offset", scan, locate, org, bigint(offset))
	if p.epoch != nil {
		epoch = parley.Epoch(*p.epoch)
	}
	return epoch, p.head, noneIsZero(err)
}

// LastOffset implements parley.Log.
func (s *Store) LastOffset(ctx context.Context, org parley.OrgID, key string) (uint64, error) {
	last, err := read(ctx, s, "read last offset", pgx.RowTo[uint64], selectLast, org, key)
	return last, noneIsZero(err)
}

// TrimLog implements parley.Log, in transactions of at most 500 events. Those that
// have no Position yet are kept.
func (s *Store) TrimLog(ctx context.Context, before time.Time) (deleted int, err error) {
	for {
		n, err := s.trim(ctx, before)
		deleted += n
		if err != nil || n < trimBatch {
			return deleted, err
		}
	}
}

// trim deletes one batch; nodes that trim at once take turns.
func (s *Store) trim(ctx context.Context, before time.Time) (n int, err error) {
	err = s.with(ctx, "trim log", func(c *pgx.Conn) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, onlyByIndex); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, lockTrim); err != nil {
				return err
			}
			n, err = one(ctx, tx, pgx.RowTo[int], trimLog, before)
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Checkpoint implements parley.Log.
func (s *Store) Checkpoint(ctx context.Context, worker string, org parley.OrgID) (uint64, error) {
	pos, err := read(ctx, s, "read checkpoint", pgx.RowTo[uint64], selectCheckpoint, worker, org)
	return pos, noneIsZero(err)
}

// SetCheckpoint implements parley.Log.
func (s *Store) SetCheckpoint(ctx context.Context, worker string, org parley.OrgID, offset uint64) error {
	_, err := s.write(ctx, "set checkpoint", upsertCheckpoint, worker, org, bigint(offset))
	return err
}

// Changes implements parley.Reader. A limit below 1 is 100.
func (s *Store) Changes(ctx context.Context, org parley.OrgID, id parley.ConversationID, after, upTo uint64, limit int) ([]*parley.Event, error) {
	if limit <= 0 {
		limit = defaultPage
	}
	return readAll(ctx, s, "read changes", scanEvent, selectChanges, org, uuid(id), bigint(after), bigint(upTo), limit)
}
