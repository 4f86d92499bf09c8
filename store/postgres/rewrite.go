package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// The order of draws is that in which all who hold several events take them.
	holdChanges = `
		SELECT draw, coalesce(pos, 0), coalesce(epoch, 0), body FROM events
		WHERE org = $1 AND conversation = $2 AND change_seq = ANY($3)
		ORDER BY draw FOR NO KEY UPDATE`

	holdMentions = `
		SELECT draw, pos, epoch, body FROM events
		WHERE org = $1 AND pos > $2 AND pos <= $3 AND position($4::bytea IN body) > 0
		ORDER BY draw FOR NO KEY UPDATE`

	rewriteEvent = `UPDATE events SET body = $2 WHERE draw = $1`
)

// heldEvent is an event that is held until the transaction ends.
type heldEvent struct {
	draw  int64
	event *parley.Event
}

func scanHeld(row pgx.CollectableRow) (h heldEvent, err error) {
	var at parley.Position
	var epoch int64
	var body []byte
	if err := row.Scan(&h.draw, &at.Offset, &epoch, &body); err != nil {
		return h, err
	}
	if h.event, err = parley.UnmarshalEvent(body); err != nil {
		return h, fmt.Errorf("event at %d: %w", at.Offset, err)
	}
	at.Epoch = parley.Epoch(epoch)
	h.event.Position = at
	return h, nil
}

// RewriteChanges implements parley.Tx.
func (t *tx) RewriteChanges(
	org parley.OrgID, id parley.ConversationID, changeSeqs []uint64, fn func(*parley.Event) *parley.Event,
) error {
	seqs := make([]int64, len(changeSeqs))
	for i, n := range changeSeqs {
		seqs[i] = bigint(n)
	}
	return t.rewrite("rewrite changes", fn, holdChanges, org, uuid(id), seqs)
}

// RewriteLog implements parley.Tx.
func (t *tx) RewriteLog(org parley.OrgID, after, upTo uint64, naming []byte, fn func(*parley.Event) *parley.Event) error {
	return t.rewrite("rewrite log", fn, holdMentions, org, bigint(after), bigint(upTo), naming)
}

// rewrite keeps what fn makes of the events that a query selects and holds.
func (t *tx) rewrite(op string, fn func(*parley.Event) *parley.Event, query string, args ...any) error {
	held, err := getAll(t, op, scanHeld, query, args...)
	if err != nil {
		return err
	}
	for _, h := range held {
		other := fn(h.event)
		if other == h.event {
			continue
		}
		kept := *other
		kept.Position = parley.Position{}
		body, err := parley.MarshalEvent(&kept)
		if err != nil {
			return fmt.Errorf("postgres: %s: %w", op, err)
		}
		if _, err := t.exec(op, rewriteEvent, h.draw, body); err != nil {
			return err
		}
	}
	return nil
}
