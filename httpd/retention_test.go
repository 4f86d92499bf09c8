package httpd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/internal/membus"
)

// later has a node, on whose clock it is some days later, empty what has expired.
func later(t *testing.T, store parley.Store, days int, until func() bool) {
	t.Helper()
	bus := membus.New()
	node := engine.New(engine.Config{
		Store: store, Bus: bus, IDs: &counter{}, RunLog: new(membus.RunLog), Limits: parley.DefaultLimits(), Node: "n2",
		Now: func() time.Time { return noon.Add(time.Duration(days) * parley.RetentionDay) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = node.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
		_ = node.Stop(context.Background())
		_ = bus.Close()
	}()
	for deadline := time.Now().Add(20 * time.Second); !until(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing expires")
		}
	}
}

// What has expired is shown by no route, and a device that comes back is told by one
// number.
func TestWhatExpiredIsShownNowhere(t *testing.T) {
	store := onSQLite(t)
	h := openOn(t, store)
	id := h.group("bob")
	var ids []string
	for i := range 3 {
		a := h.must("POST", "/v1/chat/messages/send", "ada", fmt.Sprintf(`{"conversation_id":%q,"content_text":"secret %d"}`, id, i))
		ids = append(ids, a.field(t, "id").(string))
	}
	h.must("PATCH", "/v1/chat/messages/"+ids[0], "ada", `{"content_text":"secret again"}`)
	sync := `{"conversations":[{"conversation_id":"` + id + `","last_seq":3,"last_change_seq":%d}]}`
	before := h.must("POST", "/v1/chat/messages/sync", "bob", fmt.Sprintf(sync, 0))
	if strings.Contains(before.text, "expired_to_seq") {
		t.Errorf("nothing has expired: %s", before.text)
	}
	h.must("PUT", "/v1/retention", "admin", `{"days":7}`)
	later(t, store, 8, func() bool {
		return !strings.Contains(h.must("GET", "/v1/chat/conversations/"+id+"/messages", "bob", "").text, "secret")
	})
	for _, path := range []string{
		"/v1/chat/conversations/" + id + "/messages", "/v1/chat/messages/search?q=secret",
		"/v1/chat/conversations", "/v1/chat/conversations/" + id, "/api/sessions/" + id + "/history",
	} {
		if a := h.must("GET", path, "bob", ""); strings.Contains(a.text, "secret") {
			t.Errorf("%s shows %s", path, a.text)
		}
	}
	for _, m := range ids {
		if a := h.send("GET", "/v1/chat/messages/"+m+"/edits", "bob", "", nil); strings.Contains(a.text, "secret") {
			t.Errorf("edits: %s", a.text)
		}
	}
	for path, token := range map[string]string{"/v1/chat/conversations/" + id + "/export": "admin", "/v1/users/ada/export": "ada"} {
		for _, m := range h.exported(path, token)["message"] {
			if m["content_text"] != "" || m["deleted"] != true || m["edits"] != nil {
				t.Errorf("%s has %v", path, m)
			}
		}
	}
	about := h.must("GET", "/v1/chat/conversations/"+id, "bob", "")
	if about.field(t, "seq_counter") != 3.0 || about.field(t, "unread_count") != 0.0 {
		t.Errorf("the conversation is %s", about.text)
	}
	after := h.must("POST", "/v1/chat/messages/sync", "bob", fmt.Sprintf(sync, 0))
	if !strings.Contains(after.text, `"expired_to_seq":3`) || strings.Contains(after.text, "secret") {
		t.Errorf("sync says %s", after.text)
	}
	if again := h.must("POST", "/v1/chat/messages/sync", "bob", fmt.Sprintf(sync, 99)); strings.Contains(again.text, "expired_to_seq") {
		t.Errorf("it is told twice: %s", again.text)
	}
}
