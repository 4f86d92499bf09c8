package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/blob/dir"
)

// filing is an option of a world that takes attachments, into the directory it
// returns.
func filing(t *testing.T) (parley.Blobs, func(*Config)) {
	t.Helper()
	blobs, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return blobs, func(c *Config) { c.Blobs = blobs }
}

// upload announces a picture and uploads it.
func (w *world) upload(p *parley.Principal, id parley.ConversationID, name, text string) parley.AttachmentID {
	w.t.Helper()
	a := w.must(p, parley.BeginUpload{Conversation: id, Name: name, ContentType: "image/png", Size: int64(len(text))}).Attachment
	if _, err := w.Upload(context.Background(), org, a.ID, strings.NewReader(text)); err != nil {
		w.t.Fatal(err)
	}
	return a.ID
}

// kept reports whether the bytes of an attachment are kept.
func kept(t *testing.T, b parley.Blobs, id parley.AttachmentID) bool {
	t.Helper()
	_, err := b.Stat(t.Context(), id)
	if err != nil && !errors.Is(err, parley.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func (w *world) sweep() {
	w.t.Helper()
	if err := w.Sweep(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnUploadIsAnnouncedUploadedAndSent(t *testing.T) {
	_, option := filing(t)
	w := newWorld(t, option)
	in := w.group(ben.ID)
	id := w.upload(ann, in, `C:\photos\../a "cat".png`, "meow")
	post := parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{id}, ClientMsgID: "1"}
	m := w.must(ann, post).Message
	want := parley.File{ID: id, Name: `a "cat".png`, ContentType: "image/png", Size: 4}
	if !slices.Equal(m.Attachments, []parley.File{want}) || m.ContentType != "image" || m.Content != "" {
		t.Errorf("message is %+v", m)
	}
	all := w.log()
	if told := all[len(all)-1].Body.(*parley.MessageBody); !slices.Equal(told.Attachments, m.Attachments) {
		t.Errorf("told are %+v", told.Attachments)
	}
	if a, err := w.store.Attachment(t.Context(), org, id); err != nil || a.State != parley.AttachmentSent || !a.DueAt.IsZero() {
		t.Errorf("attachment is %+v, %v", a, err)
	}
	if r := w.must(ann, post); !r.Repeated || r.Message.ID != m.ID {
		t.Errorf("again: %+v", r)
	}
	post.Attachments = nil
	post.Content = "meow"
	w.refused(ann, post, parley.CodeConflict)
}

func TestWhatMayNotBeAnnounced(t *testing.T) {
	_, option := filing(t)
	w := newWorld(t, option, func(c *Config) { c.Limits.AttachmentBytes = 100 })
	in, closed, others := w.group(ben.ID), w.group(), w.group()
	w.must(ann, parley.CloseConversation{Conversation: closed})
	good := parley.BeginUpload{Conversation: in, Name: "a.png", ContentType: "image/png", Size: 100}
	w.must(ann, good)
	for _, c := range []struct {
		what   string
		change func(*parley.BeginUpload)
		code   parley.Code
	}{
		{"no name", func(b *parley.BeginUpload) { b.Name = "" }, parley.CodeInvalidArgument},
		{"only directories", func(b *parley.BeginUpload) { b.Name = "../.." }, parley.CodeInvalidArgument},
		{"a line break", func(b *parley.BeginUpload) { b.Name = "a\r\nSet-Cookie: b" }, parley.CodeInvalidArgument},
		{"a NUL", func(b *parley.BeginUpload) { b.Name = "a\x00.png" }, parley.CodeInvalidArgument},
		{"right to left", func(b *parley.BeginUpload) { b.Name = "gpj\u202eexe.png" }, parley.CodeInvalidArgument},
		{"broken UTF-8", func(b *parley.BeginUpload) { b.Name = "a\xff.png" }, parley.CodeInvalidArgument},
		{"a long name", func(b *parley.BeginUpload) { b.Name = strings.Repeat("a", 256) }, parley.CodeTooLarge},
		{"no type", func(b *parley.BeginUpload) { b.ContentType = "" }, parley.CodeInvalidArgument},
		{"a type that is not taken", func(b *parley.BeginUpload) { b.ContentType = "text/html" }, parley.CodeInvalidArgument},
		{"a pattern", func(b *parley.BeginUpload) { b.ContentType = "image/*" }, parley.CodeInvalidArgument},
		{"a type with a line break", func(b *parley.BeginUpload) { b.ContentType = "image/png\r\nX: y" }, parley.CodeInvalidArgument},
		{"nothing", func(b *parley.BeginUpload) { b.Size = 0 }, parley.CodeInvalidArgument},
		{"less than nothing", func(b *parley.BeginUpload) { b.Size = -1 }, parley.CodeInvalidArgument},
		{"too much", func(b *parley.BeginUpload) { b.Size = 101 }, parley.CodeTooLarge},
		{"half a sum", func(b *parley.BeginUpload) { b.SHA256 = make([]byte, 16) }, parley.CodeInvalidArgument},
		{"a closed conversation", func(b *parley.BeginUpload) { b.Conversation = closed }, parley.CodeClosed},
		{"none", func(b *parley.BeginUpload) { b.Conversation = parley.ConversationID{1} }, parley.CodeNotFound},
	} {
		t.Run(c.what, func(t *testing.T) {
			bad := good
			c.change(&bad)
			w.refused(ann, bad, c.code)
		})
	}
	good.Conversation = others
	w.refused(ben, good, parley.CodeNotFound)
	w.Engine = w.node("node-2", func(c *Config) { c.Blobs = nil })
	w.refused(ann, good, parley.CodeForbidden)
}

func TestTypesThatAreTaken(t *testing.T) {
	_, option := filing(t)
	w := newWorld(t, option)
	in := w.group()
	begin := parley.BeginUpload{Conversation: in, Name: "a", Size: 1}
	for _, c := range []struct {
		may       []string
		yes, none []string
	}{
		{nil, []string{"image/png", "IMAGE/PNG; q=1", "application/vnd.ms-excel", "text/plain"}, []string{"text/html", "application/javascript", "imagex/png"}},
		{[]string{"image/png"}, []string{"image/png"}, []string{"image/gif", "text/plain"}},
		{[]string{"*/*"}, []string{"text/html", "x/y"}, []string{"x", "*/*", "/", "a/"}},
	} {
		w.Engine = w.node("node-2", option, func(e *Config) { e.AttachmentTypes, e.Limits.UnsentAttachments = c.may, 100 })
		for _, begin.ContentType = range c.yes {
			if a := w.must(ann, begin).Attachment; strings.ContainsAny(a.ContentType, "; ") || a.ContentType != strings.ToLower(a.ContentType) {
				t.Errorf("kept as %q", a.ContentType)
			}
		}
		for _, begin.ContentType = range c.none {
			w.refused(ann, begin, parley.CodeInvalidArgument)
		}
	}
}

func TestUploadsThatAreNotSentAreLimited(t *testing.T) {
	_, option := filing(t)
	w := newWorld(t, option, func(c *Config) { c.Limits.UnsentAttachments = 2 })
	in := w.group(ben.ID)
	begin := parley.BeginUpload{Conversation: in, Name: "a.png", ContentType: "image/png", Size: 4}
	w.must(ann, begin)
	id := w.upload(ann, in, "b.png", "four")
	w.refused(ann, begin, parley.CodeRateLimited)
	w.must(ben, begin)
	w.must(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{id}})
	w.must(ann, begin)
}

func TestOnlyTheAnnouncedBytesAreTaken(t *testing.T) {
	blobs, option := filing(t)
	w := newWorld(t, option)
	in := w.group()
	sum := sha256.Sum256([]byte("four"))
	a := w.must(ann, parley.BeginUpload{Conversation: in, Name: "a", ContentType: "image/png", Size: 4, SHA256: sum[:]}).Attachment
	gone := errors.New("the client is gone")
	for what, c := range map[string]struct {
		body io.Reader
		want error
	}{
		"fewer":       {strings.NewReader("fou"), &parley.Error{Code: parley.CodeInvalidArgument}},
		"more":        {strings.NewReader("four!"), &parley.Error{Code: parley.CodeInvalidArgument}},
		"others":      {strings.NewReader("five"), &parley.Error{Code: parley.CodeInvalidArgument}},
		"a torn body": {io.MultiReader(strings.NewReader("fo"), iotest.ErrReader(gone)), gone},
	} {
		if _, err := w.Upload(t.Context(), org, a.ID, c.body); !errors.Is(err, c.want) || kept(t, blobs, a.ID) {
			t.Errorf("%s: %v, kept %v", what, err, kept(t, blobs, a.ID))
		}
	}
	for range 2 { // a client that heard no answer asks again
		if got, err := w.Upload(t.Context(), org, a.ID, strings.NewReader("four")); err != nil || got.State != parley.AttachmentStored {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := w.Upload(t.Context(), org, a.ID, strings.NewReader("five")); !errors.Is(err, &parley.Error{Code: parley.CodeConflict}) {
		t.Errorf("others over it: %v", err)
	}
	for where, id := range map[parley.OrgID]parley.AttachmentID{org: {1}, "org_other": a.ID} {
		if _, err := w.Upload(t.Context(), where, id, strings.NewReader("four")); !errors.Is(err, &parley.Error{Code: parley.CodeNotFound}) {
			t.Errorf("%s in %s: %v", id, where, err)
		}
	}
}

func TestWhatAMessageMayNotCarry(t *testing.T) {
	_, option := filing(t)
	w := newWorld(t, option, func(c *Config) { c.Limits.MessageAttachments = 2 })
	in, elsewhere := w.group(ben.ID), w.group(ben.ID)
	sent := w.upload(ann, in, "sent", "four")
	w.must(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{sent}})
	fresh := w.upload(ann, in, "fresh", "four")
	waiting := w.must(ann, parley.BeginUpload{Conversation: in, Name: "a", ContentType: "image/png", Size: 4}).Attachment.ID
	for what, ids := range map[string][]parley.AttachmentID{
		"one that was sent":          {fresh, sent},
		"one that was not uploaded":  {fresh, waiting},
		"another's":                  {fresh, w.upload(ben, in, "ben's", "four")},
		"one for another":            {fresh, w.upload(ann, elsewhere, "other", "four")},
		"none there is":              {fresh, {1}},
		"one twice":                  {fresh, fresh},
		"more than a message may":    {fresh, w.upload(ann, in, "x", "four"), w.upload(ann, in, "y", "four")},
		"nothing, and without words": nil,
	} {
		w.refused(ann, parley.PostMessage{Conversation: in, Attachments: ids}, parley.CodeInvalidArgument)
		if a, err := w.store.Attachment(t.Context(), org, fresh); err != nil || a.State != parley.AttachmentStored {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
	if m := w.must(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{fresh}}).Message; m.Seq != 2 {
		t.Errorf("those that were refused took a seq: %d", m.Seq)
	}
}

func TestTheBytesGoWithTheLastMessageThatCarriesThem(t *testing.T) {
	blobs, option := filing(t)
	w := newWorld(t, option)
	here, there := w.group(ben.ID), w.group(ben.ID)
	a, b := w.upload(ann, here, "a", "four"), w.upload(ann, here, "b", "five")
	m := w.must(ann, parley.PostMessage{Conversation: here, Attachments: []parley.AttachmentID{b, a}}).Message
	copied := w.must(ben, parley.ForwardMessage{Message: m.ID, Conversations: []parley.ConversationID{there}}).Forwarded[0]
	if !slices.Equal(copied.Attachments, m.Attachments) {
		t.Fatalf("forwarded are %+v, want %+v", copied.Attachments, m.Attachments)
	}
	deleted := w.must(ann, parley.DeleteMessage{Message: m.ID, ForEveryone: true})
	if n := len(deleted.Message.Attachments) + len(deleted.Event.Body.(*parley.MessageBody).Attachments); n != 0 {
		t.Errorf("the deleted message still tells of %d", n)
	}
	w.sweep()
	if !kept(t, blobs, a) || !kept(t, blobs, b) {
		t.Fatal("gone while a message carries them")
	}
	w.must(ann, parley.DeleteMessage{Message: copied.ID})
	w.sweep()
	if !kept(t, blobs, a) {
		t.Fatal("gone when one member hid the message")
	}
	w.must(ann, parley.DeleteConversation{Conversation: there, ForEveryone: true})
	w.sweep()
	if kept(t, blobs, a) || kept(t, blobs, b) {
		t.Error("still there")
	}
	if _, err := w.store.Attachment(t.Context(), org, a); !errors.Is(err, parley.ErrNotFound) {
		t.Errorf("still known: %v", err)
	}
}

func TestWhatIsNotSentInTimeGoes(t *testing.T) {
	blobs, option := filing(t)
	c := newClock()
	w := newWorld(t, option, c.on)
	in := w.group()
	unsent, sent := w.upload(ann, in, "a", "four"), w.upload(ann, in, "b", "four")
	waiting := w.must(ann, parley.BeginUpload{Conversation: in, Name: "c", ContentType: "image/png", Size: 4}).Attachment.ID
	w.must(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{sent}})
	c.now = c.now.Add(w.cfg.Limits.UnsentTTL - time.Second)
	w.sweep()
	if !kept(t, blobs, unsent) {
		t.Fatal("gone too early")
	}
	c.tick()
	w.sweep()
	if kept(t, blobs, unsent) || !kept(t, blobs, sent) {
		t.Errorf("unsent is kept: %v, sent is kept: %v", kept(t, blobs, unsent), kept(t, blobs, sent))
	}
	w.refused(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{unsent}}, parley.CodeInvalidArgument)
	if _, err := w.Upload(t.Context(), org, waiting, strings.NewReader("four")); !errors.Is(err, &parley.Error{Code: parley.CodeNotFound}) || kept(t, blobs, waiting) {
		t.Errorf("too late: %v, kept %v", err, kept(t, blobs, waiting))
	}
}

// failing is a place that loses nothing while it fails.
type failing struct {
	parley.Blobs
	fails   bool
	deletes atomic.Int32
	putting func() // called before the bytes of an upload are there
}

func (f *failing) Delete(ctx context.Context, id parley.AttachmentID) error {
	f.deletes.Add(1)
	if f.fails {
		return parley.ErrUnavailable
	}
	return f.Blobs.Delete(ctx, id)
}

func (f *failing) Put(ctx context.Context, id parley.AttachmentID, r io.Reader, size int64) ([32]byte, error) {
	if f.putting != nil {
		f.putting()
	}
	return f.Blobs.Put(ctx, id, r, size)
}

// Whoever began to delete has a while in which nobody else does; what it did not
// finish another does then, and nobody sends it meanwhile.
func TestADeletionThatFailsIsDoneLater(t *testing.T) {
	blobs, option := filing(t)
	place := &failing{Blobs: blobs, fails: true}
	c := newClock()
	w := newWorld(t, option, c.on, func(c *Config) { c.Blobs = place })
	in := w.group()
	id := w.upload(ann, in, "a", "four")
	c.now = c.now.Add(w.cfg.Limits.UnsentTTL)
	if err := w.Sweep(t.Context()); !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("sweep: %v", err)
	}
	place.fails = false
	w.refused(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{id}}, parley.CodeInvalidArgument)
	w.sweep()
	if n := place.deletes.Load(); n != 1 {
		t.Errorf("%d deletes, want 1: it was claimed", n)
	}
	c.now = c.now.Add(sweepLease)
	w.sweep()
	if kept(t, blobs, id) {
		t.Error("still there")
	}
}

// An upload that is under way when its attachment goes leaves nothing behind.
func TestAnUploadThatComesTooLateIsTakenAway(t *testing.T) {
	blobs, option := filing(t)
	place := &failing{Blobs: blobs}
	c := newClock()
	w := newWorld(t, option, c.on, func(c *Config) { c.Blobs = place })
	a := w.must(ann, parley.BeginUpload{Conversation: w.group(), Name: "a", ContentType: "image/png", Size: 4}).Attachment
	place.putting = func() {
		c.now = c.now.Add(w.cfg.Limits.UnsentTTL)
		w.sweep()
	}
	if _, err := w.Upload(t.Context(), org, a.ID, strings.NewReader("four")); !errors.Is(err, &parley.Error{Code: parley.CodeNotFound}) || kept(t, blobs, a.ID) {
		t.Errorf("%v, kept %v", err, kept(t, blobs, a.ID))
	}
}

// Bytes that were released go at once, those that were not sent within a minute of
// their time.
func TestTheEngineSweepsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs, option := filing(t)
		w := newWorld(t, option, func(c *Config) { c.Limits.UnsentTTL = 2 * time.Minute })
		in := w.group()
		sent, unsent := w.upload(ann, in, "a", "four"), w.upload(ann, in, "b", "four")
		m := w.must(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{sent}}).Message
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		defer func() { cancel(); <-done }()
		w.must(ann, parley.DeleteMessage{Message: m.ID, ForEveryone: true})
		synctest.Wait()
		if kept(t, blobs, sent) {
			t.Error("what was released is still there")
		}
		time.Sleep(w.cfg.Limits.UnsentTTL + sweepInterval)
		synctest.Wait()
		if kept(t, blobs, unsent) {
			t.Error("what was not sent is still there")
		}
	})
}

// Who is erased leaves no files: neither what it sent, also where others forwarded
// it, nor what it uploaded and did not send. Those of others stay.
func TestFilesOfWhoIsErasedGo(t *testing.T) {
	blobs, option := filing(t)
	w := newWorld(t, option)
	in, there := w.group(ben.ID), w.must(ben, parley.CreateConversation{Kind: parley.KindGroup, Members: []parley.PrincipalID{cleo.ID}}).Conversation.ID
	sent, unsent, bens := w.upload(ann, in, "a", "four"), w.upload(ann, in, "b", "four"), w.upload(ben, in, "c", "four")
	m := w.must(ann, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{sent}}).Message
	w.must(ben, parley.PostMessage{Conversation: in, Attachments: []parley.AttachmentID{bens}})
	w.must(ben, parley.ForwardMessage{Message: m.ID, Conversations: []parley.ConversationID{there}})
	w.erased(w.must(ann, parley.EraseUser{Principal: ann.ID}).Erasure.ID)
	w.sweep()
	if kept(t, blobs, sent) || kept(t, blobs, unsent) || !kept(t, blobs, bens) {
		t.Errorf("sent %v, unsent %v, ben's %v", kept(t, blobs, sent), kept(t, blobs, unsent), kept(t, blobs, bens))
	}
}
