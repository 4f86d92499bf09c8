package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// exportPage is how much is read at once: no read transaction is longer.
	exportPage = 200
	// exportPause is how long the reader of an export may take for what is under way.
	exportPause = time.Minute
)

// export writes JSON lines, each with its type. The last one is of the type end and
// counts the lines before it: one that lacks it was cut off.
type export struct {
	s       *Server
	c       *call
	out     *json.Encoder
	flush   *http.ResponseController
	lines   int
	awaited time.Time // when the reader was last given time
}

// The lines of an export.
type (
	exportHead struct {
		Type    string                `json:"type"` // export
		Version int                   `json:"version"`
		Of      string                `json:"of"` // user, conversation
		Org     parley.OrgID          `json:"org_id"`
		User    parley.PrincipalID    `json:"user_id,omitempty"`
		In      parley.ConversationID `json:"conversation_id,omitzero"`
		At      stamp                 `json:"at"`
	}
	exportEnd struct {
		Type  string `json:"type"` // end
		Lines int    `json:"lines"`
	}
	exportProfile struct {
		Type     string               `json:"type"` // profile
		User     parley.PrincipalID   `json:"user_id"`
		Kind     parley.PrincipalKind `json:"kind"`
		Name     string               `json:"display_name"`
		Email    string               `json:"email"`
		Bio      string               `json:"bio"`
		Avatar   string               `json:"avatar_url"`
		Job      string               `json:"job_title"`
		Language string               `json:"language"`
		LastSeen *stamp               `json:"last_seen"`
	}
	exportBlock struct {
		Type string             `json:"type"` // block
		User parley.PrincipalID `json:"user_id"`
		At   stamp              `json:"at"`
	}
	exportConversation struct {
		Type        string                  `json:"type"` // conversation
		ID          parley.ConversationID   `json:"conversation_id"`
		Kind        parley.ConversationKind `json:"kind"`
		Title       string                  `json:"name"`
		Description string                  `json:"description"`
		Status      string                  `json:"status"`
		CreatedBy   parley.PrincipalID      `json:"created_by"`
		CreatedAt   stamp                   `json:"created_at"`
		Seq         uint64                  `json:"seq_counter"`
		LastRead    *uint64                 `json:"last_read_seq,omitempty"` // of the user
	}
	exportStay struct {
		Type    string                `json:"type"` // stay
		In      parley.ConversationID `json:"conversation_id"`
		User    parley.PrincipalID    `json:"user_id"`
		Kind    parley.PrincipalKind  `json:"kind"`
		Name    string                `json:"display_name"`
		Role    parley.Role           `json:"role"`
		Joined  stamp                 `json:"joined_at"`
		Open    bool                  `json:"open"`
		FromSeq uint64                `json:"from_seq"`
		ToSeq   uint64                `json:"to_seq,omitempty"`
	}
	exportMessage struct {
		Type        string                `json:"type"` // message
		ID          parley.MessageID      `json:"message_id"`
		In          parley.ConversationID `json:"conversation_id"`
		Seq         uint64                `json:"seq_num"`
		Sender      parley.PrincipalID    `json:"sender_id"`
		SenderType  parley.PrincipalKind  `json:"sender_type"`
		SenderName  string                `json:"sender_name"`
		ContentType string                `json:"content_type"`
		ContentText string                `json:"content_text"`
		ContentMeta string                `json:"content_meta,omitempty"`
		ClientMsgID string                `json:"client_msg_id,omitempty"`
		ReplyTo     parley.MessageID      `json:"reply_to_id,omitzero"`
		Thread      parley.MessageID      `json:"thread_id,omitzero"`
		ThreadRole  string                `json:"thread_role,omitempty"`
		TaskID      string                `json:"task_id,omitempty"`
		Internal    bool                  `json:"is_internal"`
		Forwarded   bool                  `json:"is_forwarded"`
		Source      *parley.Source        `json:"source,omitempty"`
		Deleted     bool                  `json:"deleted"`
		CreatedAt   stamp                 `json:"created_at"`
		EditedAt    *stamp                `json:"edited_at"`
		Attachments []parley.File         `json:"attachments,omitempty"`
		// Last comes edits, what it said before, the first first (export.edits).
	}
	exportReaction struct {
		Type    string                `json:"type"` // reaction
		In      parley.ConversationID `json:"conversation_id"`
		Message parley.MessageID      `json:"message_id"`
		Seq     uint64                `json:"seq_num"`
		User    parley.PrincipalID    `json:"user_id"`
		Emoji   string                `json:"emoji"`
		At      stamp                 `json:"at"`
	}
	exportTask struct {
		Type string `json:"type"` // task
		chatTask
	}
)

// exportUser writes all that is kept of a user: its account, its conversations, what
// it said there and before, its reactions, the tasks it works on, whom it blocks.
func (s *Server) exportUser(c *call) error {
	id, ok := c.userID()
	if !ok || id != c.who.ID && !c.who.Can(parley.ScopeAdmin) {
		return parley.Errorf(parley.CodeForbidden, "users export themselves, administrators anybody")
	}
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	x := s.export(c)
	return x.run(exportHead{Of: "user", User: id}, func() error { return x.user(id) })
}

// exportConversation writes a conversation: who was in it when, and what was said.
func (s *Server) exportConversation(c *call) error {
	if err := c.may(parley.ScopeAdmin); err != nil {
		return err
	}
	id, err := c.conversation()
	if err != nil {
		return err
	}
	about, err := s.Store.Conversation(c.ctx, c.who.Org, id)
	if isNotFound(err) {
		return errNoConversation
	}
	if err != nil {
		return err
	}
	x := s.export(c)
	return x.run(exportHead{Of: "conversation", In: id}, func() error {
		if err := x.conversation(about, "", nil); err != nil {
			return err
		}
		return x.content(about, "")
	})
}

func (s *Server) export(c *call) *export {
	c.ctx = c.r.Context() // it may take long; each page has its time
	return &export{s: s, c: c, out: json.NewEncoder(c.w), flush: http.NewResponseController(c.w)}
}

// run writes the lines around those of body. What fails after the first line cuts the
// answer off: its status was sent.
func (x *export) run(head exportHead, body func() error) error {
	x.c.w.Header().Set("Content-Type", "application/x-ndjson")
	x.out.SetEscapeHTML(false)
	head.Type, head.Version, head.Org, head.At = "export", 1, x.c.who.Org, stamp(x.s.Now())
	err := x.line(head)
	if err == nil {
		err = body()
	}
	if err == nil {
		err = x.line(exportEnd{"end", x.lines})
	}
	if err != nil {
		x.s.Logger.Warn("an export was cut off", "org", x.c.who.Org, "lines", x.lines, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// line writes a line.
func (x *export) line(v any) error {
	x.awaitReader()
	x.lines++
	return x.out.Encode(v)
}

// awaitReader gives the reader a minute from now to take what is written, whatever time
// was spent on reading it; who takes longer is cut off.
func (x *export) awaitReader() {
	if now := time.Now(); now.Sub(x.awaited) > time.Second {
		x.awaited = now
		_ = x.flush.SetWriteDeadline(now.Add(exportPause)) // a recorder has none
	}
}

func (x *export) user(id parley.PrincipalID) error {
	org, ctx := x.c.who.Org, x.c.ctx
	if x.s.People != nil {
		persons, err := x.s.People.Persons(ctx, org, []parley.PrincipalID{id})
		if err != nil {
			return err
		}
		for _, p := range persons {
			err := x.line(exportProfile{
				"profile", p.ID, p.Kind, p.Name, p.Email, p.Bio, p.AvatarURL, p.JobTitle, p.Language, stampOrNull(p.LastSeen),
			})
			if err != nil {
				return err
			}
		}
	}
	blocks, err := x.s.Store.Blocks(ctx, org, id)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if err := x.line(exportBlock{"block", b.Blocked, stamp(b.At)}); err != nil {
			return err
		}
	}
	for after, more := (parley.ConversationID{}), true; more; {
		ids, err := x.s.Store.ConversationsEver(ctx, org, id, after, exportPage)
		if err != nil {
			return err
		}
		for _, in := range ids {
			if err := x.part(in, id); err != nil {
				return err
			}
			after = in
		}
		more = len(ids) == exportPage
	}
	return nil
}

// part is what a user did in one conversation.
func (x *export) part(in parley.ConversationID, who parley.PrincipalID) error {
	about, err := x.s.Store.Conversation(x.c.ctx, x.c.who.Org, in)
	if err != nil {
		return err
	}
	states, err := x.s.Store.MemberStates(x.c.ctx, x.c.who.Org, who, []parley.ConversationID{in})
	if err != nil {
		return err
	}
	if err := x.conversation(about, who, &states[0].ReadSeq); err != nil {
		return err
	}
	return x.content(about, who)
}

// content is what there is in a conversation of one, or of all where who is empty.
func (x *export) content(c *parley.Conversation, who parley.PrincipalID) error {
	if err := x.stays(c.ID, who); err != nil {
		return err
	}
	if err := x.messages(c.ID, who, c.Seq); err != nil {
		return err
	}
	return x.tasks(c.ID, who)
}

// conversation writes what it is; to a user who is no longer in it without what it is
// called now.
func (x *export) conversation(c *parley.Conversation, who parley.PrincipalID, read *uint64) error {
	line := exportConversation{
		"conversation", c.ID, c.Kind, c.Title, c.Description, string(c.Status), c.CreatedBy, stamp(c.CreatedAt), c.Seq, read,
	}
	if who != "" {
		stays, err := x.s.Store.StaysOf(x.c.ctx, c.Org, c.ID, who)
		if err != nil {
			return err
		}
		if n := len(stays); n == 0 || !stays[n-1].Open() {
			line.Title, line.Description, line.Seq = "", "", 0
		}
	}
	return x.line(line)
}

// stays writes those of one; of all where who is empty.
func (x *export) stays(in parley.ConversationID, who parley.PrincipalID) error {
	var stays []parley.Membership
	var err error
	if who == "" {
		stays, err = x.s.Store.Stays(x.c.ctx, x.c.who.Org, in)
	} else {
		stays, err = x.s.Store.StaysOf(x.c.ctx, x.c.who.Org, in, who)
	}
	if err != nil {
		return err
	}
	for i := range stays {
		m := &stays[i]
		err := x.line(exportStay{"stay", in, m.Principal, m.Kind, m.Name, m.Role, stamp(m.JoinedAt), m.Open(), m.FromSeq, m.ToSeq})
		if err != nil {
			return err
		}
	}
	return nil
}

// messages writes those of one, or all where who is empty, in the order of seq, and
// after each page the reactions of the same one under all messages up to there.
func (x *export) messages(in parley.ConversationID, who parley.PrincipalID, last uint64) error {
	for after, shown := uint64(0), uint64(0); ; {
		page, err := x.s.Store.MessagesBy(x.c.ctx, x.c.who.Org, in, who, after, exportPage)
		if err != nil {
			return err
		}
		for i := range page {
			if err := x.message(&page[i]); err != nil {
				return err
			}
			after = page[i].Seq
		}
		end := len(page) < exportPage
		upTo := after
		if end {
			upTo = max(last, after)
		}
		if err := x.reactions(in, who, shown+1, upTo); err != nil || end {
			return err
		}
		shown = upTo
	}
}

func (x *export) message(m *parley.Message) error {
	line := exportMessage{
		"message", m.ID, m.Conversation, m.Seq, m.Sender, m.SenderKind, m.SenderName, m.ContentType, m.Content, m.ContentMeta,
		m.ClientMsgID, m.ReplyTo, m.ThreadID, m.ThreadRole, m.TaskID, m.Internal, m.Forwarded, m.Source, m.Deleted,
		stamp(m.CreatedAt), stampOrNull(m.EditedAt), m.Attachments,
	}
	if m.EditCount == 0 || m.Deleted {
		return x.line(line)
	}
	return x.edits(m, line)
}

// edits writes the line of a message that was edited. It may have been so any number of
// times: they are read and written by pages, within the line.
func (x *export) edits(m *parley.Message, line exportMessage) error {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	if err := out.Encode(line); err != nil {
		return err
	}
	text.Truncate(text.Len() - len("}\n"))
	text.WriteString(`,"edits":[`)
	const page = readAtOnce / 4
	for from := 0; ; from += page {
		edits, err := x.s.Store.Edits(x.c.ctx, x.c.who.Org, m.Conversation, m.ID, from, page)
		if err != nil {
			return err
		}
		for _, e := range edits {
			if e.Number > 0 {
				text.WriteByte(',')
			}
			if err := out.Encode(chatEdit{e.Number, e.Content, orNull(e.ContentMeta), stamp(e.At)}); err != nil {
				return err
			}
			text.Truncate(text.Len() - len("\n"))
		}
		if len(edits) < page { // or it was deleted meanwhile
			text.WriteString("]}\n")
			x.lines++
			return x.write(&text)
		}
		if err := x.write(&text); err != nil {
			return err
		}
	}
}

// write writes a part of a line, which is gone then.
func (x *export) write(text *bytes.Buffer) error {
	x.awaitReader()
	_, err := text.WriteTo(x.c.w)
	return err
}

// reactions writes those of one, or all, under the messages of a range.
func (x *export) reactions(in parley.ConversationID, who parley.PrincipalID, from, to uint64) error {
	for ; from <= to; from += exportPage {
		page, err := x.s.Store.Reactions(x.c.ctx, x.c.who.Org, in, from, min(to, from+exportPage-1), 0)
		if err != nil {
			return err
		}
		for _, r := range page {
			if who != "" && r.Principal != who {
				continue
			}
			if err := x.line(exportReaction{"reaction", in, r.Message, r.Seq, r.Principal, r.Emoji, stamp(r.At)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tasks writes those that one works on, or all.
func (x *export) tasks(in parley.ConversationID, who parley.PrincipalID) error {
	for cursor, more := "", true; more; more = cursor != "" {
		page, next, err := x.s.Store.Tasks(x.c.ctx, x.c.who.Org, in, parley.Page{Limit: exportPage, Cursor: cursor})
		if err != nil {
			return err
		}
		for i := range page {
			if who != "" && page[i].Agent != who {
				continue
			}
			if err := x.line(exportTask{"task", chatTaskOf(&page[i])}); err != nil {
				return err
			}
		}
		cursor = next
	}
	return nil
}
