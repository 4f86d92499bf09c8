package engine

import (
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// erasing is one step of an erasure, within its transaction.
type erasing struct {
	*write
	job *parley.Erasure
}

// next does what the job's row says is next, up to the bound of a step.
func (e *erasing) next(log logPart) error {
	switch job := e.job; job.Phase {
	case parley.EraseAccount:
		return e.account()
	case parley.EraseConversations:
		for left := eraseUnits; left > 0 && job.Phase == parley.EraseConversations; {
			n, err := e.conversation(left)
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	case parley.EraseForwards:
		return e.forwards()
	case parley.EraseLog:
		return e.log(log)
	case parley.EraseTraces:
		return e.end()
	}
	return fmt.Errorf("an erasure has no phase %s", e.job.Phase)
}

func (e *erasing) account() error {
	if err := e.EraseAccount(e.job.Org, e.job.Principal, e.now); err != nil {
		return err
	}
	e.released = true // what was not sent
	n, err := e.ErasePublished(e.job.Org, e.job.Principal, eraseEvents)
	if err == nil && n < eraseEvents {
		e.job.Phase, e.job.LoginsEnd = parley.EraseConversations, e.now.Add(e.engine.cfg.EraseDelay)
	}
	return err
}

// The steps in one conversation.
const (
	eraseNone      = iota
	eraseStay      // it ends, or the whole conversation
	eraseReactions // they are taken away, which others are told
	eraseMessages
	eraseChanges // of the whole conversation
)

// conversation goes on in the job's conversation, or begins with the next one, and
// returns how many units of work that was, at least 1.
func (e *erasing) conversation(most int) (units int, err error) {
	job := e.job
	if job.Step == eraseNone {
		next, err := e.ConversationsEver(job.Org, job.Principal, job.At, 1)
		if err != nil {
			return 0, err
		}
		if len(next) == 0 {
			job.Phase = parley.EraseForwards
			return 1, nil
		}
		job.At, job.Step, job.Seq = next[0], eraseStay, 0
	}
	c, err := e.Conversation(job.Org, job.At)
	if err != nil {
		return 0, fmt.Errorf("read conversation %s: %w", job.At, err)
	}
	switch job.Step {
	case eraseStay:
		if err := e.stay(c); err != nil {
			return 0, err
		}
		job.Step = eraseReactions
		return 1, nil
	case eraseReactions:
		units, err = e.reactions(c, most)
		if err == nil && units < most {
			job.Step = eraseMessages
		}
	case eraseMessages:
		units, err = e.messages(c, most)
		if err == nil && units < most {
			job.Step, job.Seq = eraseNone, 0
			job.Conversations++
			if job.Whole {
				job.Step = eraseChanges
			}
		}
	case eraseChanges:
		return most, e.changes(c)
	}
	return units + 1, err
}

// stay ends the principal's stay, which the others are told. A conversation in which
// nobody but agents ever was with it is deleted.
func (e *erasing) stay(c *parley.Conversation) error {
	job := e.job
	shared, err := e.SharedWith(c.Org, c.ID, job.Principal)
	if err != nil {
		return err
	}
	if job.Whole = !shared; job.Whole {
		err = e.wholeConversation(c)
	} else {
		err = e.leave(c)
	}
	if err != nil {
		return err
	}
	return firstError(e.EraseMember(c.Org, c.ID, job.Principal), e.save(c))
}

func (e *erasing) wholeConversation(c *parley.Conversation) error {
	c.Title, c.Description = "", ""
	if c.Status == parley.StatusDeleted {
		return nil
	}
	c.Status = parley.StatusDeleted
	body := conversationBody(c)
	body.Reason = parley.ReasonErased
	return e.append(e.event(c, parley.ConversationDeleted, &body))
}

func (e *erasing) leave(c *parley.Conversation) error {
	m, err := e.Member(c.Org, c.ID, e.job.Principal)
	if errors.Is(err, parley.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read stay in %s: %w", c.ID, err)
	}
	m.Name = ""
	ev := e.memberEvent(c, parley.MemberLeft, m)
	if err := e.EndMember(c.Org, c.ID, m.Principal, ev.ChangeSeq, c.Seq); err != nil {
		return fmt.Errorf("end stay in %s: %w", c.ID, err)
	}
	if err := e.append(ev); err != nil {
		return err
	}
	if isPair(c.Kind) { // who is left can read it, and begin another
		return e.part(c)
	}
	if m.Role == parley.RoleOwner {
		return e.passOn(c)
	}
	return nil
}

// part closes a conversation of two.
func (e *erasing) part(c *parley.Conversation) error {
	if err := e.ReleasePair(c.Org, c.ID); err != nil || c.Status != parley.StatusActive {
		return err
	}
	c.Status = parley.StatusClosed
	body := conversationBody(c)
	body.Reason = parley.ReasonErased
	return e.append(e.event(c, parley.ConversationClosed, &body))
}

func (e *erasing) reactions(c *parley.Conversation, most int) (n int, err error) {
	list, err := e.ReactionsBy(c.Org, c.ID, e.job.Principal, most)
	if err != nil {
		return 0, err
	}
	for i := range list {
		r := &list[i]
		if _, err := e.SetReaction(c.Org, r, false); err != nil {
			return 0, fmt.Errorf("take reaction from %s: %w", r.Message, err)
		}
		m, err := e.Message(c.Org, r.Message)
		if err != nil {
			return 0, fmt.Errorf("read message %s: %w", r.Message, err)
		}
		ev := e.event(c, parley.ReactionChanged, &parley.ReactionBody{
			Message: r.Message, Seq: r.Seq, Principal: r.Principal, Emoji: r.Emoji,
		})
		ev.Internal = m.Internal
		if err := e.append(ev); err != nil {
			return 0, err
		}
	}
	e.job.Reactions += len(list)
	return len(list), e.save(c)
}

// messages erases the next messages of the principal with what agents answered them;
// all that anybody said where the conversation is its alone.
func (e *erasing) messages(c *parley.Conversation, most int) (n int, err error) {
	sender := e.job.Principal
	if e.job.Whole {
		sender = ""
	}
	list, err := e.MessagesBy(c.Org, c.ID, sender, e.job.Seq, most)
	if err != nil {
		return 0, err
	}
	for i := range list {
		m := &list[i]
		if err := e.message(c, m, true); err != nil {
			return 0, err
		}
		if err := e.answers(c, m.ID); err != nil {
			return 0, err
		}
		e.job.Seq = m.Seq
	}
	return len(list), nil
}

// message erases one message, which those are told who are left in its conversation.
// its says that it is the principal's own.
func (e *erasing) message(c *parley.Conversation, m *parley.Message, its bool) error {
	if err := e.forget(c, m); err != nil {
		return err
	}
	e.released = e.released || len(m.Attachments) > 0
	told := m.Deleted || c.Status == parley.StatusDeleted
	m.Empty()
	if its {
		m.Anonymize()
	}
	e.job.Messages++
	if !told {
		_, err := e.changeMessage(&heard{Message: m, in: c}, parley.MessageDeleted)
		return err
	}
	if err := e.UpdateMessage(m, c.Org); err != nil {
		return fmt.Errorf("empty message %s: %w", m.ID, err)
	}
	return nil
}

// answers erases what agents answered to a message: it is likely to repeat it. What is
// being answered has to end first; the answers of a conversation that is erased whole
// have their turn as messages.
func (e *erasing) answers(c *parley.Conversation, trigger parley.MessageID) error {
	runs, err := e.RunsAfter(c.Org, trigger)
	if err != nil {
		return err
	}
	for i := range runs {
		if runs[i].Status == parley.RunRunning {
			return &stillRunning{runs[i]}
		}
		if e.job.Whole {
			continue
		}
		m, err := e.Message(c.Org, runs[i].Message)
		if errors.Is(err, parley.ErrNotFound) {
			continue // it ended without a text
		}
		if err != nil {
			return fmt.Errorf("read message %s: %w", runs[i].Message, err)
		}
		if !m.Deleted {
			if err := e.message(c, m, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// changes empties the next events of a conversation that was the principal's alone.
func (e *erasing) changes(c *parley.Conversation) error {
	var seqs []uint64
	for n := e.job.Seq + 1; n <= c.ChangeSeq && len(seqs) < eraseEvents; n++ {
		seqs = append(seqs, n)
	}
	if err := e.RewriteChanges(c.Org, c.ID, seqs, parley.ForgetConversation); err != nil {
		return fmt.Errorf("empty the events of %s: %w", c.ID, err)
	}
	e.job.Seq += uint64(len(seqs))
	if e.job.Seq < c.ChangeSeq {
		return nil
	}
	e.job.Step, e.job.Seq = eraseNone, 0
	return e.EraseTasks(c.Org, c.ID)
}

// forwards erases what others forwarded of the principal's words, in one
// conversation after the other.
func (e *erasing) forwards() error {
	list, err := e.MessagesFrom(e.job.Org, e.job.Principal, eraseUnits)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		e.job.Phase, e.job.Seq = parley.EraseLog, 0
		return nil
	}
	c, err := e.Conversation(e.job.Org, list[0].Conversation)
	if err != nil {
		return fmt.Errorf("read conversation %s: %w", list[0].Conversation, err)
	}
	for i := range list {
		if list[i].Conversation != c.ID {
			continue
		}
		m, err := e.Message(c.Org, list[i].ID) // as it is now that its conversation is held
		if err == nil {
			err = e.message(c, m, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// log empties the events of a part of the log that name the principal.
func (e *erasing) log(part logPart) error {
	who := e.job.Principal
	err := e.RewriteLog(e.job.Org, part.after, part.upTo, parley.NameInEvents(who), func(ev *parley.Event) *parley.Event {
		return parley.ForgetPrincipal(ev, who)
	})
	if e.job.Seq = part.upTo; part.upTo == part.head {
		e.job.Phase = parley.EraseTraces
	}
	return err
}

// end tells all nodes to let go of what they remember, and takes away what came
// meanwhile.
func (e *erasing) end() error {
	if err := e.EraseAccount(e.job.Org, e.job.Principal, e.now); err != nil {
		return err
	}
	ev := e.personal(parley.PrincipalErased, &parley.ErasedBody{Principal: e.job.Principal})
	ev.Targets = []parley.PrincipalID{e.job.Principal}
	e.job.Phase, e.job.EndedAt = parley.EraseDone, e.now
	return e.append(ev)
}
