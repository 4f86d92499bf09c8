package sqlite

import (
	"fmt"
	"slices"

	"github.com/parley-chat/parley"
)

const (
	// CROSS JOIN keeps SQLite from scanning the conversation; the list is in order.
	selectRewritten = `SELECT epoch, ` + offset + `, data FROM json_each(?3) j CROSS JOIN events
		ON place >> 40 = (SELECT +number FROM logs WHERE org = ?1) AND conversation = ?2 AND change_seq = j.value`
	selectMentions = `SELECT epoch, ` + offset + `, data FROM events
		WHERE place > (` + placeOfLog + ` | ?2) AND place <= (` + placeOfLog + ` | ?3) AND instr(data, ?4) > 0 ORDER BY place`
	rewriteEvent = `UPDATE events SET data = ?3 WHERE place = (` + placeOfLog + ` | ?2)`
)

// RewriteChanges implements parley.Tx.
func (t *tx) RewriteChanges(
	org parley.OrgID, id parley.ConversationID, changeSeqs []uint64, fn func(*parley.Event) *parley.Event,
) error {
	seqs := slices.Sorted(slices.Values(changeSeqs))
	if err := t.rewrite(org, fn, selectRewritten, string(org), id[:], jsonNumbers(seqs)); err != nil {
		return fmt.Errorf("rewrite changes of %s: %w", id, err)
	}
	return nil
}

// RewriteLog implements parley.Tx.
func (t *tx) RewriteLog(org parley.OrgID, after, upTo uint64, naming []byte, fn func(*parley.Event) *parley.Event) error {
	if err := t.rewrite(org, fn, selectMentions, string(org), inLog(after), inLog(upTo), naming); err != nil {
		return fmt.Errorf("rewrite the log of %s: %w", org, err)
	}
	return nil
}

// rewrite keeps what fn makes of the events that a query selects.
func (t *tx) rewrite(org parley.OrgID, fn func(*parley.Event) *parley.Event, query string, args ...any) error {
	var rows []eventRow
	err := t.each(query, args, func(r row) error {
		var e eventRow
		err := r.Scan(eventDest(&e)...)
		rows = append(rows, e)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		e, err := parley.UnmarshalEvent(r.data)
		if err != nil {
			return fmt.Errorf("event at %d: %w", r.at.Offset, err)
		}
		e.Position = r.at
		other := fn(e)
		if other == e {
			continue
		}
		data, err := parley.MarshalEvent(other)
		if err != nil {
			return fmt.Errorf("event at %d: %w", r.at.Offset, err)
		}
		if _, err := t.exec(rewriteEvent, string(org), int64(r.at.Offset), data); err != nil {
			return err
		}
	}
	return nil
}
