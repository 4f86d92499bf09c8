package conn_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
)

// countingReader counts how often the stays of a conversation are read.
type countingReader struct {
	parley.Reader
	stays atomic.Int64
}

func (r *countingReader) Stays(ctx context.Context, org parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	r.stays.Add(1)
	return r.Reader.Stays(ctx, org, id)
}

// What one principal may ask to hear is bounded over all its sockets; what is
// refused is told when to ask again, and costs no look into the store.
func TestAskingToHearIsBounded(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		const each, burst = 1000, 10000
		ids := strings.Repeat(`,"`+talk.String()+`"`, each)[1:]
		subscribe := `{"action":"subscribe","conversation_ids":[` + ids + `]}`
		first, second := r.enter("chat", r.mint("ada")), r.enter("chat", r.mint("ada"))
		for range burst / each / 2 {
			for _, c := range []*client{first, second} {
				c.send(subscribe)
				c.want(`{"type":"subscribed"}`)
			}
		}
		first.send(subscribe)
		first.want(`{"type":"error","code":"rate_limited","retry_after":1}`)
		other := r.enter("bot", r.mint("ada"))
		other.send(`{"type":"message","session_id":"` + talk.UUID() + `","content":"x"}`)
		other.want(`{"type":"error","code":"RATE_LIMITED","retry_after":1}`)
		if n := r.engine.asked.Load(); n != 0 {
			t.Errorf("%d commands were carried out", n)
		}
		bob := r.enter("chat", r.mint("bob"))
		bob.send(`{"action":"subscribe","conversation_ids":["` + talk.String() + `"]}`)
		bob.want(`{"type":"error","code":"not_found"}`)
		lived(t, first.lives(time.Second))
		first.send(subscribe)
		first.want(`{"type":"subscribed"}`)
	})
}

// A name that a frame holds many times is looked up once, and by the hub from the
// second frame on.
func TestANameIsLookedUpOnce(t *testing.T) {
	reader := &countingReader{}
	h := openHouseWith(t, func(c *conn.Config) { reader.Reader, c.Store = c.Store, reader })
	talk := h.talk("ada", "bob").String()
	topic := "events.org_demo.conversations.conversation.message_posted." + talk
	c := h.dial("/ws/topics?token=" + h.mint("ada") + "&cursor=")
	c.send(fmt.Sprintf(`{"op":"resume","subscriptions":[{"id":"a","topics":["%s","%s"]},{"id":"b","topics":["%s"]}]}`, topic, topic, topic))
	c.want(`{"op":"subscribed","id":"a"}`, `{"op":"subscribed","id":"b"}`)
	if n := reader.stays.Load(); n != 1 {
		t.Errorf("the stays were read %d times in one frame", n)
	}
	c.send(fmt.Sprintf(`{"op":"subscribe","id":"c","topics":["%s"]}`, topic))
	c.want(`{"op":"subscribed","id":"c"}`)
	if n := reader.stays.Load(); n != 1 {
		t.Errorf("the stays were read %d times by the Conn in two frames", n)
	}
}
