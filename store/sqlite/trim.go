package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

// trimBatch is how many events one update deletes: others wait no longer for it.
const trimBatch = 500

const (
	// selectOldLogs selects the logs whose first event is from before a time.
	selectOldLogs = `SELECT l.org FROM logs l WHERE (SELECT e.time FROM events e
		WHERE e.place BETWEEN l.number << 40 AND (l.number + 1) << 40 ORDER BY e.place LIMIT 1) < ?`
	selectOld = `SELECT epoch, ` + offset + `, time, data FROM events
		WHERE place BETWEEN ` + placeOfLog + ` AND (` + placeOfLog + ` | 0xffffffffff) ORDER BY place LIMIT ?2 + 0`
	deleteEvent    = `DELETE FROM events WHERE place = (` + placeOfLog + ` | ?2)`
	deleteEventKey = `DELETE FROM event_keys WHERE pos = ?3 AND key = (SELECT key FROM heads WHERE org = ?1 AND log_key = ?2)`
	trimHead       = `UPDATE heads SET trimmed_to = max(trimmed_to, ?3) WHERE org = ?1 AND log_key = ?2`
	trimLog        = `UPDATE logs SET trimmed_to = max(trimmed_to, ?2) WHERE org = ?1`
)

// TrimLog implements parley.Log, in many transactions. A log is trimmed from its
// beginning: an event that a wrong clock stamped too late keeps those behind it
// until its own time has come.
func (s *Store) TrimLog(ctx context.Context, before time.Time) (deleted int, err error) {
	orgs, err := list(ctx, s.reads, selectOldLogs, []any{micros(before)}, func(org *parley.OrgID) []any { return []any{org} })
	if err = s.readError(ctx, err); err != nil {
		return 0, fmt.Errorf("trim log: %w", err)
	}
	if len(orgs) > 0 {
		if err := s.catchUp(ctx); err != nil {
			return 0, fmt.Errorf("trim log: %w", err)
		}
	}
	for _, org := range orgs {
		for n := trimBatch; n == trimBatch; deleted += n {
			err := s.writer.do(ctx, func(t *tx) (err error) {
				n, err = t.trim(org, before)
				return err
			})
			if err != nil {
				return deleted, fmt.Errorf("trim log of %s: %w", org, err)
			}
		}
	}
	return deleted, nil
}

// trim deletes the first events of a log, a batch of those before a time.
func (t *tx) trim(org parley.OrgID, before time.Time) (n int, err error) {
	old, err := t.old(org, before)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	heads := map[string]uint64{}
	for _, row := range old {
		e, err := parley.UnmarshalEvent(row.data)
		if err != nil {
			return 0, err
		}
		for _, key := range e.Keys(nil) {
			heads[key] = row.at.Offset
			if _, err := t.exec(deleteEventKey, string(org), key, int64(row.at.Offset)); err != nil {
				return 0, err
			}
		}
		if _, err := t.exec(deleteEvent, string(org), int64(row.at.Offset)); err != nil {
			return 0, err
		}
	}
	for key, pos := range heads {
		if _, err := t.exec(trimHead, string(org), key, int64(pos)); err != nil {
			return 0, err
		}
	}
	_, err = t.exec(trimLog, string(org), int64(old[len(old)-1].at.Offset))
	return len(old), err
}

// old reads the first events of a log that are from before a time, a batch of them.
// What waits for the index stays: its keys would come when it is gone.
func (t *tx) old(org parley.OrgID, before time.Time) (old []eventRow, err error) {
	younger, complete := false, t.w.keys.complete(org)
	err = t.each(selectOld, []any{string(org), trimBatch}, func(r row) error {
		var e eventRow
		var at int64
		err := r.Scan(uintInto{(*uint64)(&e.at.Epoch)}, uintInto{&e.at.Offset}, &at, &e.data)
		if younger = younger || at >= micros(before) || e.at.Offset > complete; !younger {
			old = append(old, e)
		}
		return err
	})
	return old, err
}
