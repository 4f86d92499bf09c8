package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

func TestASendIsTheSameForEver(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	post := parley.PostMessage{Conversation: id, Content: "hé 😀", ClientMsgID: "c1", ContentMeta: `{"a":1}`, Origin: "conn"}
	first := w.must(ann, post)
	if m := first.Message; m.Seq != 1 || m.Sender != "ann" || m.SenderName != "ANN" || m.ContentType != "text" || m.Origin != "conn" {
		t.Errorf("message is %+v", m)
	}
	if first.Event.ChangeSeq != 2 || first.Event.Body.(*parley.MessageBody).Seq != 1 {
		t.Errorf("event is %+v", first.Event)
	}
	again := w.must(ann, post)
	if !again.Repeated || again.Event != nil || again.Message.ID != first.Message.ID || again.Message.Seq != 1 ||
		!again.Message.CreatedAt.Equal(first.Message.CreatedAt) {
		t.Errorf("again: %+v, first: %+v", again.Message, first.Message)
	}
	other := post
	other.Content = "something else"
	w.refused(ann, other, parley.CodeConflict)
	if r := w.must(ben, post); r.Repeated || r.Message.Seq != 2 { // another sender's key
		t.Errorf("ben's: %+v", r.Message)
	}
}

func TestWhatAMessageMayHold(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	for _, c := range []struct {
		post parley.PostMessage
		code parley.Code
	}{
		{parley.PostMessage{}, parley.CodeInvalidArgument},
		{parley.PostMessage{Content: "\xff"}, parley.CodeInvalidArgument},
		{parley.PostMessage{Content: "a\x00b"}, parley.CodeInvalidArgument},
		{parley.PostMessage{Content: strings.Repeat("x", 64<<10+1)}, parley.CodeTooLarge},
		{parley.PostMessage{Content: "x", ContentType: "smell"}, parley.CodeInvalidArgument},
		{parley.PostMessage{Content: "x", ThreadRole: "middle"}, parley.CodeInvalidArgument},
		{parley.PostMessage{Content: "x", ClientMsgID: strings.Repeat("x", 257)}, parley.CodeTooLarge},
	} {
		c.post.Conversation = id
		w.refused(ann, c.post, c.code)
	}
	w.must(ann, parley.PostMessage{Conversation: id, Content: strings.Repeat("x", 64<<10)})
}

func TestInternalMessagesAreForThoseWhoRunIt(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "demo")
	w.refused(ben, parley.PostMessage{Conversation: id, Content: "x", Internal: true}, parley.CodeForbidden)
	if r := w.must(ann, parley.PostMessage{Conversation: id, Content: "x", Internal: true}); !r.Event.Internal || !r.Message.Internal {
		t.Errorf("%+v", r.Event)
	}
	w.must(&demo, parley.PostMessage{Conversation: id, Content: "x", Internal: true})
	session := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"demo"}}).Conversation.ID
	w.refused(ann, parley.PostMessage{Conversation: session, Content: "x", Internal: true}, parley.CodeForbidden)
}

func TestSendsAreLimitedPerPerson(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *Config) {
		c.Now = func() time.Time { return now }
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 10, 3
	})
	id := w.group("ben")
	post := parley.PostMessage{Conversation: id, Content: "x"}
	for range 3 {
		w.must(ann, post)
	}
	if e := w.refused(ann, post, parley.CodeRateLimited); e.RetryAfter != 100*time.Millisecond {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	w.must(ben, post)
	now = now.Add(100 * time.Millisecond)
	w.must(ann, post)
	w.refused(ann, post, parley.CodeRateLimited)
	for range 10 { // who lives in this process speaks with everybody at once
		w.must(&demo, parley.PostMessage{Conversation: w.must(&demo, parley.CreateConversation{}).Conversation.ID, Content: "x"})
	}
}

func TestAReplyQuotesOrJoinsAThread(t *testing.T) {
	w := newWorld(t)
	id, other := w.group("ben"), w.group("ben")
	root := w.said(ann, id, "root")
	post := func(reply parley.MessageID, role string) *parley.Message {
		t.Helper()
		return w.must(ben, parley.PostMessage{Conversation: id, Content: "x", ReplyTo: reply, ThreadRole: role}).Message
	}
	quote := post(root, "")
	first := post(root, "aside")
	second := post(first.ID, "main")
	inThread := post(first.ID, "")
	for _, c := range []struct {
		name   string
		m      *parley.Message
		reply  parley.MessageID
		thread parley.MessageID
	}{
		{"a reply alone is a quotation", quote, root, parley.MessageID{}},
		{"a role begins a thread under what it replies to", first, root, root},
		{"a reply to a part of a thread is of that thread", second, first.ID, root},
		{"a part of a thread may be quoted outside", inThread, first.ID, parley.MessageID{}},
	} {
		if c.m.ReplyTo != c.reply || c.m.ThreadID != c.thread {
			t.Errorf("%s: got %+v", c.name, c.m)
		}
	}
	for _, missing := range []parley.MessageID{ids{}.NewID(), w.said(ann, other, "elsewhere")} {
		if e := w.refused(ben, parley.PostMessage{Conversation: id, Content: "x", ReplyTo: missing}, parley.CodeInvalidArgument); e.Field != "reply_to_id" {
			t.Errorf("refused for %q", e.Field)
		}
	}
	late := w.said(ann, id, "a slip")
	w.must(ann, parley.DeleteMessage{Message: late, ForEveryone: true})
	post(late, "") // an answer that was on its way is not lost

	w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"cleo"}})
	w.refused(cleo, parley.PostMessage{Conversation: id, Content: "x", ReplyTo: root}, parley.CodeInvalidArgument)
}
