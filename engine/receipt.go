package engine

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

func (e *Engine) moveReceipts(ctx context.Context, p *parley.Principal, cmd parley.MoveReceipts) (parley.Result, error) {
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, stay, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		s, err := w.state(c)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: c, State: s}
		read, err := w.clip(c, stay, cmd.Read)
		if err != nil {
			return err
		}
		delivered, err := w.clip(c, stay, cmd.Delivered)
		if err != nil {
			return err
		}
		delivered = max(delivered, read)
		if read <= s.ReadSeq && delivered <= s.DeliveredSeq {
			return nil
		}
		s.ReadSeq = max(s.ReadSeq, read)
		s.DeliveredSeq = max(s.DeliveredSeq, delivered)
		result.Event, err = w.tellReceipt(c, s)
		return err
	})
	return result, err
}

// clip returns the last message up to seq that is within a stay of the caller's; 0
// where there is none.
func (w *write) clip(c *parley.Conversation, open *parley.Membership, seq uint64) (uint64, error) {
	seq = min(seq, c.Seq)
	if seq == 0 || seq >= open.FromSeq {
		return seq, nil
	}
	stays, err := w.stays(c)
	if err != nil {
		return 0, err
	}
	var last uint64
	for _, m := range stays {
		if to := min(seq, m.ToSeq); !m.Open() && m.FromSeq <= to {
			last = max(last, to)
		}
	}
	return last, nil
}

// tellReceipt stores how far the caller has come and tells the members, or in a
// large conversation the caller's own devices.
func (w *write) tellReceipt(c *parley.Conversation, s *parley.MemberState) (*parley.Event, error) {
	if err := w.setState(s); err != nil {
		return nil, err
	}
	most := w.engine.cfg.Limits.ReceiptMembers
	n, err := w.CountMembers(c.Org, c.ID, most+1)
	if err != nil {
		return nil, fmt.Errorf("count members of %s: %w", c.ID, err)
	}
	body := &parley.ReceiptBody{Conversation: c.ID, Principal: s.Principal, Read: s.ReadSeq, Delivered: s.DeliveredSeq}
	if n > most {
		ev := w.personal(parley.ReceiptUpdated, body)
		return ev, w.append(ev)
	}
	ev := w.event(c, parley.ReceiptUpdated, body)
	return ev, firstError(w.append(ev), w.save(c))
}
