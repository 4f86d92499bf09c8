package conn_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

// Publishing over the topics surface is POST /api/events/publish by another door
// (contracts.md sections 3 and 10): the same checks, the same limit.
func TestTopicsPublish(t *testing.T) {
	h := openHouse(t)
	talk, foreign := h.talk("ada", "bob"), h.talk("bob", "cyd")
	c, ear := h.dial("/ws/topics?token="+h.mint("ada")), h.dial("/ws/topics?token="+h.mint("bob"))
	ear.send(`{"op":"subscribe","id":"all","topics":["events.org_demo.shop.*.*.*"]}`)
	ear.want(`{"op":"subscribed","id":"all"}`)
	t.Run("with an id it is answered once it is kept", func(t *testing.T) {
		c.send(`{"op":"publish","id":"p1","source":"shop","name":"order.shipped","resource_id":"order_5","payload":{"n":1},"idempotency_key":"k"}`)
		first := c.want(`{"op":"published","id":"p1","event_id":"*","timestamp":"*"}`)[0]["event_id"]
		ear.want(`{"op":"event","topic":"events.org_demo.shop.order.shipped.order_5","cursor":"*","event":{"resourceId":"order_5","payload":{"id":"order_5","n":1}}}`)
		c.send(`{"op":"publish","id":"p2","source":"shop","name":"order.shipped","resource_id":"order_5","payload":{"n":1},"idempotency_key":"k"}`)
		if again := c.want(`{"op":"published","id":"p2"}`)[0]["event_id"]; again != first {
			t.Errorf("repeated, the event is %v and was %v", again, first)
		}
		c.send(`{"op":"publish","id":"p3","source":"shop","name":"order.lost","idempotency_key":"k"}`)
		c.want(`{"op":"error","id":"p3","code":"CONFLICT"}`)
	})
	t.Run("without an id only a failure is", func(t *testing.T) {
		c.send(`{"op":"publish","source":"shop","name":"order.lost","payload":{"conversation_id":"`+foreign.String()+`"}}`,
			`{"op":"publish","source":"shop","name":"order.lost","payload":{"conversation_id":"`+talk.String()+`"}}`,
			`{"op":"publish","source":"system","name":"system.status"}`,
			`{"op":"publish","source":"shop","name":"order..lost"}`,
			`{"op":"publish","source":"shop","name":"order.lost","payload":{"a":"`+strings.Repeat("x", 70000)+`"}}`,
			`{"op":"ping"}`)
		c.want(`{"op":"error","code":"NOT_FOUND"}`, `{"op":"error","code":"FORBIDDEN"}`,
			`{"op":"error","code":"INVALID_ARGUMENT","message":"name may hold letters, digits, _, - and single dots between them"}`,
			`{"op":"error","code":"TOO_LARGE"}`, `{"op":"pong"}`)
		ear.want(`{"op":"event","event":{"eventName":"lost","metadata":{"conversationId":"` + talk.String() + `","actor":"ada"}}}`)
	})
	t.Run("the scope and the limit are those of the route", func(t *testing.T) {
		mute := h.dial("/ws/topics?token=" + h.mint("mute", scopes(parley.ScopeEventsSubscribe)))
		mute.send(`{"op":"publish","id":"p","source":"shop","name":"order.lost"}`)
		mute.want(`{"op":"error","id":"p","code":"FORBIDDEN"}`)
		busy := h.dial("/ws/topics?token=" + h.mint("busy"))
		for range parley.DefaultLimits().PublishesPerMinute {
			busy.send(`{"op":"publish","source":"app","name":"said"}`)
		}
		busy.send(`{"op":"publish","id":"last","source":"app","name":"said"}`)
		busy.want(`{"op":"error","id":"last","code":"RATE_LIMITED","retry_after":"*"}`)
	})
}
