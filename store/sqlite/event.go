package sqlite

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	selectPublished = `SELECT event_id, at, hash FROM published WHERE org = ? AND principal = ? AND idem_key = ?`
	insertPublished = `INSERT INTO published (org, principal, idem_key, event_id, at, hash) VALUES (?, ?, ?, ?, ?, ?)`
)

// maxDeferred is how many events of one update wait for the end of the group: a
// larger update writes in between, and learns of a full disk.
const maxDeferred = 512

// AppendEvent implements parley.Tx: the event gets its place at once, and its
// Position once that is committed. parley.ErrConflict where its change_seq is
// taken in the conversation.
//
// An event that cannot conflict is written with those of the whole group, in one
// statement for many of them; until then it costs the update no savepoint.
func (t *tx) AppendEvent(e *parley.Event) error {
	if err := t.appendEvent(e); err != nil {
		return fmt.Errorf("append event %s: %w", e.ID, err)
	}
	return nil
}

func (t *tx) appendEvent(e *parley.Event) error {
	if err := t.usable(); err != nil {
		return err
	}
	a := t.w.log
	if err := a.append(e); err != nil {
		return t.check(err)
	}
	if e.Conversation.IsZero() && len(a.pending)-max(a.stored, t.mark) < maxDeferred {
		return nil
	}
	if err := t.save(); err != nil {
		return err
	}
	if err := a.store(); err != nil {
		a.rollback(len(a.pending) - 1)
		return t.check(err)
	}
	return nil
}

// Published implements parley.Tx.
func (t *tx) Published(org parley.OrgID, principal parley.PrincipalID, key string) (id parley.EventID, at time.Time, hash []byte, err error) {
	err = t.one(selectPublished, []any{string(org), string(principal), key}, into(&id), timeInto{&at}, &hash)
	if err != nil {
		err = fmt.Errorf("published: %w", err)
	}
	return id, at, hash, err
}

// RecordPublished implements parley.Tx.
func (t *tx) RecordPublished(org parley.OrgID, principal parley.PrincipalID, key string, id parley.EventID, at time.Time, hash []byte) error {
	_, err := t.exec(insertPublished, string(org), string(principal), key, id[:], micros(at), append([]byte{}, hash...))
	if err != nil {
		return fmt.Errorf("record published: %w", err)
	}
	return nil
}
