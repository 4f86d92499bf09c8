package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/parley-chat/parley"
)

const (
	selectHead = `SELECT l.last, (SELECT e.epoch FROM epochs e WHERE e.org = l.org AND e.first_pos <= l.last
		ORDER BY e.first_pos DESC LIMIT 1) FROM logs l WHERE l.org = ? AND l.last > 0`
	selectHeads = `SELECT l.org, l.last, (SELECT e.epoch FROM epochs e WHERE e.org = l.org AND e.first_pos <= l.last
		ORDER BY e.first_pos DESC LIMIT 1) FROM logs l WHERE l.last > 0`
	// The events of one log: those between the place of its offset 0 and the next log's.
	placeOfLog   = `((SELECT number FROM logs WHERE org = ?1) << 40)`
	offset       = `place & 0xffffffffff`
	selectEvents = `SELECT epoch, ` + offset + `, data FROM events
		WHERE place > (` + placeOfLog + ` | ?2) AND place <= (` + placeOfLog + ` | ?3) ORDER BY place LIMIT ?4 + 0`
	// CROSS JOIN keeps SQLite from scanning the events.
	selectEventsAt = `SELECT epoch, ` + offset + `, data FROM json_each(?2) j CROSS JOIN events
		ON place = (` + placeOfLog + ` | j.value) ORDER BY place`
	// The + makes a plain value of the number, as the index has it: by the column's
	// affinity it would be another comparison, and a scan.
	selectChanges = `SELECT epoch, ` + offset + `, data FROM events
		WHERE place >> 40 = (SELECT +number FROM logs WHERE org = ?) AND conversation = ?
		AND change_seq > ? AND change_seq <= ? ORDER BY change_seq LIMIT ? + 0`
	selectEpoch = `SELECT l.last, (SELECT e.epoch FROM epochs e WHERE e.org = l.org AND e.first_pos <= ?
		ORDER BY e.first_pos DESC LIMIT 1) FROM logs l WHERE l.org = ? AND l.last > 0`
	selectLast = `SELECT last FROM heads WHERE org = ? AND log_key = ?`

	selectCheckpoint = `SELECT pos FROM checkpoints WHERE worker = ? AND org = ?`
	upsertCheckpoint = `INSERT INTO checkpoints (worker, org, pos) VALUES (?, ?, ?)
		ON CONFLICT (worker, org) DO UPDATE SET pos = excluded.pos WHERE excluded.pos > pos`
)

// eventRow is an event as it is kept.
type eventRow struct {
	at   parley.Position
	data []byte
}

func eventDest(r *eventRow) []any {
	return []any{uintInto{(*uint64)(&r.at.Epoch)}, uintInto{&r.at.Offset}, &r.data}
}

// events reads and decodes what a query of epoch, pos and data selects.
func (s *Store) events(ctx context.Context, query string, args ...any) ([]*parley.Event, error) {
	rows, err := list(ctx, s.reads, query, args, eventDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, err
	}
	all := make([]*parley.Event, len(rows))
	for i := range rows {
		if all[i], err = parley.UnmarshalEvent(rows[i].data); err != nil {
			return nil, fmt.Errorf("event at %d: %w", rows[i].at.Offset, err)
		}
		all[i].Position = rows[i].at
	}
	return all, nil
}

// eventsAt reads the events at some offsets, in order; those that are no longer
// kept are missing.
func (s *Store) eventsAt(ctx context.Context, org parley.OrgID, offsets []uint64) ([]*parley.Event, error) {
	if len(offsets) == 0 {
		return nil, nil
	}
	events, err := s.events(ctx, selectEventsAt, string(org), jsonNumbers(offsets))
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", org, err)
	}
	return events, nil
}

// ReadLog implements parley.Log; a limit of 0 is 100.
func (s *Store) ReadLog(ctx context.Context, org parley.OrgID, after, upTo uint64, limit int) ([]*parley.Event, error) {
	if limit <= 0 {
		limit = defaultPage
	}
	events, err := s.events(ctx, selectEvents, string(org), inLog(after), inLog(upTo), limit)
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", org, err)
	}
	return events, nil
}

// Changes implements parley.Reader; a limit of 0 is 100.
func (s *Store) Changes(ctx context.Context, org parley.OrgID, id parley.ConversationID, after, upTo uint64, limit int) ([]*parley.Event, error) {
	if limit <= 0 {
		limit = defaultPage
	}
	events, err := s.events(ctx, selectChanges, string(org), id[:], bounded(after), bounded(upTo), limit)
	if err != nil {
		return nil, fmt.Errorf("changes of %s: %w", id, err)
	}
	return events, nil
}

// inLog is an offset as a part of a place; none is beyond its largest number.
func inLog(offset uint64) int64 { return int64(min(offset, maxOffset)) }

// bounded is an offset as SQLite compares it; none is beyond its largest number.
func bounded(offset uint64) int64 { return int64(min(offset, math.MaxInt64)) }

// Head implements parley.Log.
func (s *Store) Head(ctx context.Context, org parley.OrgID) (parley.Position, error) {
	var p parley.Position
	err := one(ctx, s.reads, selectHead, []any{string(org)}, uintInto{&p.Offset}, uintInto{(*uint64)(&p.Epoch)})
	if errors.Is(err, sql.ErrNoRows) {
		return parley.Position{}, nil
	}
	if err = s.readError(ctx, err); err != nil {
		return parley.Position{}, fmt.Errorf("head of %s: %w", org, err)
	}
	return p, nil
}

// Heads implements parley.Log.
func (s *Store) Heads(ctx context.Context) (map[parley.OrgID]parley.Position, error) {
	heads := map[parley.OrgID]parley.Position{}
	err := each(ctx, s.reads, selectHeads, nil, func(r row) error {
		var org parley.OrgID
		var p parley.Position
		if err := r.Scan(&org, uintInto{&p.Offset}, uintInto{(*uint64)(&p.Epoch)}); err != nil {
			return err
		}
		heads[org] = p
		return nil
	})
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("heads: %w", err)
	}
	return heads, nil
}

// Locate implements parley.Log; parley.ErrNotFound where the offset is beyond the
// head.
func (s *Store) Locate(ctx context.Context, org parley.OrgID, offset uint64) (parley.Position, error) {
	if offset == 0 {
		return parley.Position{}, nil
	}
	at, head, err := s.locate(ctx, org, offset)
	if err == nil && offset > head {
		err = parley.ErrNotFound
	}
	if err != nil {
		return parley.Position{}, fmt.Errorf("locate offset %d of %s: %w", offset, org, err)
	}
	return at, nil
}

// locate returns the Position of an offset that is not 0, and the org's head; the
// Position means nothing where the offset is beyond that.
func (s *Store) locate(ctx context.Context, org parley.OrgID, offset uint64) (at parley.Position, head uint64, err error) {
	at.Offset = offset
	err = one(ctx, s.reads, selectEpoch, []any{bounded(offset), string(org)}, uintInto{&head}, uintInto{(*uint64)(&at.Epoch)})
	if errors.Is(err, sql.ErrNoRows) {
		return parley.Position{}, 0, nil
	}
	return at, head, s.readError(ctx, err)
}

// LastOffset implements parley.Log.
func (s *Store) LastOffset(ctx context.Context, org parley.OrgID, key string) (uint64, error) {
	last, known := s.writer.keys.last(logKey{org, key})
	if last != 0 {
		return last, nil
	}
	if !known {
		if err := s.catchUp(ctx); err != nil {
			return 0, fmt.Errorf("last offset of %s: %w", org, err)
		}
	}
	err := one(ctx, s.reads, selectLast, []any{string(org), key}, uintInto{&last})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err = s.readError(ctx, err); err != nil {
		return 0, fmt.Errorf("last offset of %s: %w", org, err)
	}
	return last, nil
}

// Checkpoint implements parley.Log.
func (s *Store) Checkpoint(ctx context.Context, worker string, org parley.OrgID) (uint64, error) {
	var pos uint64
	err := one(ctx, s.reads, selectCheckpoint, []any{worker, string(org)}, uintInto{&pos})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err = s.readError(ctx, err); err != nil {
		return 0, fmt.Errorf("checkpoint of %s: %w", worker, err)
	}
	return pos, nil
}

// SetCheckpoint implements parley.Log.
func (s *Store) SetCheckpoint(ctx context.Context, worker string, org parley.OrgID, offset uint64) error {
	err := s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec(upsertCheckpoint, worker, string(org), bounded(offset))
		return err
	})
	if err != nil {
		return fmt.Errorf("set checkpoint of %s: %w", worker, err)
	}
	return nil
}
