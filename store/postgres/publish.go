package postgres

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// draw comes from the column's sequence.
	insertEvent = `
		INSERT INTO events (org, conversation, change_seq, at, keys, body) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`

	selectPublished = `
		SELECT event_id, at, hash FROM published WHERE org = $1 AND principal = $2 AND key_hash = $3`

	insertPublished = `
		INSERT INTO published (org, principal, key_hash, event_id, at, hash) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`
)

// AppendEvent implements parley.Tx. The caller holds the conversation, so that the
// order of draws is that of change_seq. ErrConflict where the conversation has an
// event with this change_seq.
func (t *tx) AppendEvent(e *parley.Event) error {
	kept := *e
	kept.Position = parley.Position{}
	body, err := parley.MarshalEvent(&kept)
	if err != nil {
		return fmt.Errorf("postgres: append event: %w", err)
	}
	keys := e.Keys(nil)
	slices.Sort(keys)
	return t.insert("append event", insertEvent,
		e.Org, uuidOrNull(e.Conversation), e.ChangeSeq, e.Time, slices.Compact(keys), body)
}

// publication is a row of published.
type publication struct {
	event parley.EventID
	at    time.Time
	hash  []byte
}

func scanPublication(row pgx.CollectableRow) (p publication, err error) {
	err = row.Scan(intoID(&p.event), &p.at, &p.hash)
	return p, err
}

// Published implements parley.Tx.
func (t *tx) Published(org parley.OrgID, principal parley.PrincipalID, key string) (parley.EventID, time.Time, []byte, error) {
	p, err := get(t, "find published", scanPublication, selectPublished, org, principal, digest(key))
	if err != nil {
		return parley.EventID{}, time.Time{}, nil, err
	}
	return p.event, p.at, p.hash, nil
}

// RecordPublished implements parley.Tx.
func (t *tx) RecordPublished(
	org parley.OrgID, principal parley.PrincipalID, key string, eventID parley.EventID, at time.Time, hash []byte,
) error {
	return t.insert("record published", insertPublished, org, principal, digest(key), uuid(eventID), at, hash)
}
