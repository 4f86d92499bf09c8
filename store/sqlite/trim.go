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
	selectOld      = `SELECT epoch, pos, data FROM events WHERE time < ? ORDER BY time LIMIT ?`
	deleteEvent    = `DELETE FROM events WHERE org = ? AND pos = ?`
	deleteEventKey = `DELETE FROM event_keys WHERE org = ? AND log_key = ? AND pos = ?`
	trimHead       = `UPDATE heads SET trimmed_to = max(trimmed_to, ?3) WHERE org = ?1 AND log_key = ?2`
	trimLog        = `UPDATE logs SET trimmed_to = max(trimmed_to, ?2) WHERE org = ?1`
)

// TrimLog implements parley.Log, in several transactions.
func (s *Store) TrimLog(ctx context.Context, before time.Time) (deleted int, err error) {
	for {
		n := 0
		err := s.writer.do(ctx, func(t *tx) error {
			var err error
			n, err = t.trim(before)
			return err
		})
		if err != nil {
			return deleted, fmt.Errorf("trim log: %w", err)
		}
		deleted += n
		if n < trimBatch {
			return deleted, nil
		}
	}
}

// trim deletes the earliest events before a time, a batch of them.
func (t *tx) trim(before time.Time) (int, error) {
	var old []eventRow
	err := t.each(selectOld, []any{micros(before), trimBatch}, func(r row) error {
		var e eventRow
		err := r.Scan(eventDest(&e)...)
		old = append(old, e)
		return err
	})
	if err != nil {
		return 0, err
	}
	heads, logs := map[logKey]uint64{}, map[parley.OrgID]uint64{}
	for _, row := range old {
		e, err := parley.UnmarshalEvent(row.data)
		if err != nil {
			return 0, err
		}
		pos := row.at.Offset
		logs[e.Org] = max(logs[e.Org], pos)
		for _, key := range e.Keys(nil) {
			k := logKey{e.Org, key}
			heads[k] = max(heads[k], pos)
			if _, err := t.exec(deleteEventKey, string(e.Org), key, int64(pos)); err != nil {
				return 0, err
			}
		}
		if _, err := t.exec(deleteEvent, string(e.Org), int64(pos)); err != nil {
			return 0, err
		}
	}
	for k, pos := range heads {
		if _, err := t.exec(trimHead, string(k.org), k.key, int64(pos)); err != nil {
			return 0, err
		}
	}
	for org, pos := range logs {
		if _, err := t.exec(trimLog, string(org), int64(pos)); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
