package conn_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

// What a socket on the shared path speaks (contracts.md section 6).
func TestSharedPath(t *testing.T) {
	h := openHouse(t)
	talk := h.talk("ada", "bob")
	t.Run("a messaging token is the chat surface at once", func(t *testing.T) {
		c := h.dial("/ws?token=" + h.mint("ada", messaging))
		other := h.talk("bob", "ada") // user-scoped: heard without subscribing
		c.want(`{"type":"event","payload":{"type":"conversation.created"}}`)
		c.send(`{"type":"dance"}`)
		c.want(`{"type":"error","payload":"*"}`)
		c.send(`{"action":"subscribe","conversation_ids":["` + other.String() + `"]}`)
		c.want(`{"type":"subscribed"}`)
	})
	t.Run("an access token shows it by its first frame", func(t *testing.T) {
		chatty, bot := h.dial("/ws?token="+h.mint("ada")), h.dial("/ws?token="+h.mint("ada"))
		h.talk("bob", "ada") // nothing is sent to who is undecided
		for _, c := range []*client{chatty, bot} {
			c.send(`{"type":"ping"}`)
			c.want(`{"type":"pong"}`)
			c.send(`{"nothing":"known"}`)
			c.want(`{"type":"error","code":"INVALID_FORMAT"}`)
			c.alive()
		}
		chatty.send(`{"action":"subscribe","conversation_ids":["` + talk.String() + `"]}`)
		chatty.want(`{"type":"subscribed","payload":["` + talk.String() + `"]}`)
		bot.send(`{"type":"subscribe","session_id":"` + talk.UUID() + `"}`)
		bot.settleAfter()
		h.post("bob", talk, "to both")
		chatty.wantBut("conversation.created", `{"type":"event","conversation_id":"`+talk.String()+`","payload":{"type":"message.created"}}`)
		bot.wantBut("session_created", `{"type":"message","content":"to both"}`)
	})
	t.Run("a subprotocol overrides all else", func(t *testing.T) {
		c := h.dial("/ws?token="+h.mint("ada"), http.Header{"Sec-Websocket-Protocol": {"parley.chat"}})
		c.send(`{"type":"subscribe"}`)
		c.want(`{"type":"error","payload":"*"}`)
		c = h.dial("/ws?token="+h.mint("ada", messaging), http.Header{"Sec-Websocket-Protocol": {"other, parley.bot"}})
		c.send(`{"action":"subscribe"}`)
		c.want(`{"type":"error","code":"INVALID_FORMAT"}`)
	})
	t.Run("a first frame may bring the token", func(t *testing.T) {
		c := h.dial("/ws")
		c.send(`{"type":"ping"}`)
		c.want(`{"type":"pong"}`)
		c.send(`{"action":"auth","token":"`+h.mint("ada", messaging)+`"}`, `{"action":"subscribe","conversation_ids":["`+talk.String()+`"]}`)
		c.want(`{"type":"subscribed"}`)
	})
	t.Run("a bad first token is told, then closed", func(t *testing.T) {
		bot, chatty, hasty := h.dial("/ws"), h.dial("/ws"), h.dial("/ws")
		bot.send(`{"type":"auth","token":"nonsense"}`)
		bot.want(`{"type":"error","code":"AUTH_FAILED","message":"*"}`)
		bot.closed(4401)
		chatty.send(`{"action":"auth","token":"nonsense"}`)
		chatty.want(`{"type":"error","payload":"*"}`)
		chatty.closed(4401)
		hasty.send(`{"type":"message","session_id":"` + talk.UUID() + `","content":"x"}`)
		hasty.want(`{"type":"error","code":"AUTH_FAILED"}`)
		hasty.closed(4401)
	})
}

// The chat surface (contracts.md 4.1).
func TestChat(t *testing.T) {
	h := openHouse(t)
	talk, foreign := h.talk("ada", "bob"), h.talk("bob", "cyd")
	c := h.dial("/ws?token=" + h.mint("ada", messaging))
	t.Run("errors are strings and keep the connection", func(t *testing.T) {
		for _, frame := range []string{
			`not json`, `null`, `[]`, `{}`, `{"action":null}`, `{"action":"dance"}`, `{"action":"subscribe"}`,
			`{"action":"subscribe","conversation_ids":"x"}`, `{"action":"subscribe","conversation_ids":["x"]}`,
			strings.Repeat(`{"action":`, 5000) + `1` + strings.Repeat(`}`, 5000),
			`{"action":"subscribe_session","session_id":"` + foreign.String() + `"}`,
			`{"action":"` + strings.Repeat("a", 70000) + `"}`,
		} {
			c.send(frame)
			if _, ok := c.want(`{"type":"error","payload":"*","code":"*"}`)[0]["payload"].(string); !ok {
				t.Errorf("%.60s: the payload is no string", frame)
			}
		}
		c.alive()
	})
	t.Run("subscribing", func(t *testing.T) {
		// As it was spelled, each time it is asked, without what is not one's own.
		c.send(`{"action":"subscribe","conversation_ids":["` + talk.UUID() + `","` + foreign.String() + `"]}`)
		c.want(`{"type":"subscribed","payload":["`+talk.UUID()+`"]}`, `{"type":"error","code":"not_found"}`)
		c.send(`{"action":"subscribe","conversation_ids":["` + talk.String() + `"]}`)
		c.want(`{"type":"subscribed","payload":["` + talk.String() + `"],"cursor":"*"}`)
		c.send(`{"action":"subscribe_session","session_id":"` + talk.String() + `"}`)
		c.want(`{"type":"session_subscribed","payload":{"session_id":"` + talk.String() + `"}}`)
		h.post("bob", talk, "once")
		c.want(`{"type":"event","payload":{"type":"message.created","payload":{"seq_num":1}}}`)
		c.send(`{"action":"unsubscribe","conversation_ids":["`+talk.String()+`"]}`, `{"action":"unsubscribe_session","session_id":"`+talk.String()+`"}`)
		c.send(`{"type":"ping"}`)
		c.want(`{"type":"pong"}`)
		h.post("bob", talk, "unheard")
		h.talk("bob", "ada")
		c.want(`{"type":"event","payload":{"type":"conversation.created"}}`)
	})
	t.Run("resuming", func(t *testing.T) {
		c := h.dial("/ws?token=" + h.mint("ada", messaging) + "&cursor=")
		c.send(`{"action":"resume","conversation_ids":["` + talk.String() + `"],"session_ids":[]}`)
		cursor := c.want(`{"type":"subscribed","cursor":"*"}`)[0]["cursor"].(string)
		_ = c.nc.Close()
		h.post("bob", talk, "missed")
		h.talk("bob", "ada")
		c = h.dial("/ws?token=" + h.mint("ada", messaging) + "&cursor=" + cursor)
		c.send(`{"action":"resume","conversation_ids":["` + talk.String() + `"]}`)
		// The cursor moves by itself where the hub has not come to the last event yet.
		c.wantBut(`{"type":"cursor"`, `{"type":"subscribed","payload":["`+talk.String()+`"]}`,
			`{"type":"event","payload":{"type":"message.created"},"cursor":"*"}`,
			`{"type":"event","payload":{"type":"conversation.created"},"cursor":"*"}`)
	})
	t.Run("refreshing", func(t *testing.T) {
		c.send(`{"action":"auth","token":"` + h.mint("bob", messaging) + `"}`)
		c.wantBut("conversation.created", `{"type":"error","payload":"the new token is of another subject; the old one stays"}`)
		c.send(`{"action":"auth","token":"` + h.mint("ada", messaging) + `"}`)
		c.send(`{"type":"ping"}`)
		c.want(`{"type":"pong"}`)
	})
}

// The topics surface, all frames (contracts.md section 10).
func TestTopics(t *testing.T) {
	h := openHouse(t)
	talk, foreign := h.talk("ada", "bob"), h.talk("bob", "cyd")
	posted := "events.org_demo.conversations.conversation.message_posted."
	t.Run("a first frame authenticates", func(t *testing.T) {
		c := h.dial("/ws/topics")
		c.send(`{"op":"ping"}`)
		c.want(`{"op":"pong","timestamp":"*"}`)
		c.send(`{"op":"dance"}`)
		c.want(`{"op":"error","code":"INVALID_FORMAT"}`)
		c.send(`{"op":"auth","token":"` + h.mint("ada") + `"}`)
		c.want(`{"op":"authenticated","cursor":"*"}`)
		for token, why := range map[string]string{"nonsense": "a wrong token", h.mint("ada", messaging): "a messaging token"} {
			c := h.dial("/ws/topics")
			c.send(`{"op":"auth","token":"` + token + `"}`)
			c.want(`{"op":"error","code":"UNAUTHENTICATED"}`)
			if c.closed(4401); t.Failed() {
				t.Error(why)
			}
		}
	})
	c := h.dial("/ws/topics?token=" + h.mint("ada"))
	t.Run("patterns are refused one by one", func(t *testing.T) {
		c.send(`{"op":"subscribe","id":"a","topics":["` + posted + talk.String() + `","` + posted + foreign.String() +
			`","events.org_other.*.*.*.*","events.*.*.*.*.*","nonsense","events.org_demo.>"]}`)
		c.want(`{"op":"subscribed","id":"a","topics":["`+posted+talk.String()+`"],"cursor":"*"}`,
			`{"op":"error","id":"a","topic":"`+posted+foreign.String()+`","code":"NOT_FOUND"}`,
			`{"op":"error","id":"a","topic":"events.org_other.*.*.*.*","code":"FORBIDDEN"}`,
			`{"op":"error","id":"a","topic":"events.*.*.*.*.*","code":"FORBIDDEN"}`,
			`{"op":"error","id":"a","topic":"nonsense","code":"INVALID_ARGUMENT"}`,
			`{"op":"error","id":"a","topic":"events.org_demo.>","code":"INVALID_ARGUMENT"}`)
	})
	t.Run("an event is told once", func(t *testing.T) {
		c.send(`{"op":"subscribe","id":"b","topics":["events.org_demo.conversations.*.*.*"]}`)
		c.want(`{"op":"subscribed","id":"b"}`)
		h.post("bob", foreign, "not for ada")
		h.post("bob", talk, "hello")
		c.want(`{"op":"event","topic":"` + posted + talk.String() + `","cursor":"*","event":{"eventName":"message_posted","organizationId":"org_demo"}}`)
		c.send(`{"op":"unsubscribe","id":"b"}`, `{"op":"unsubscribe","id":"a"}`)
		c.want(`{"op":"unsubscribed","id":"b"}`, `{"op":"unsubscribed","id":"a"}`)
		h.post("bob", talk, "unheard")
		c.send(`{"op":"ping"}`)
		c.want(`{"op":"pong"}`)
	})
	t.Run("resuming", func(t *testing.T) {
		c := h.dial("/ws/topics")
		c.send(`{"op":"auth","token":"` + h.mint("ada") + `","cursor":""}`)
		cursor := c.want(`{"op":"authenticated","cursor":"*"}`)[0]["cursor"].(string)
		_ = c.nc.Close()
		h.post("bob", talk, "missed")
		c = h.dial("/ws/topics?token=" + h.mint("ada") + "&cursor=" + cursor)
		c.send(`{"op":"resume","subscriptions":[{"id":"a","topics":["` + posted + talk.String() + `"]},{"id":"b","topics":["` + posted + foreign.String() + `"]}]}`)
		c.want(`{"op":"subscribed","id":"a"}`, `{"op":"error","id":"b","code":"NOT_FOUND"}`, `{"op":"event","topic":"`+posted+talk.String()+`"}`)
	})
	t.Run("errors", func(t *testing.T) {
		for _, test := range []struct{ frame, code string }{
			{`not json`, "INVALID_FORMAT"}, {`null`, "INVALID_FORMAT"}, {`{}`, "INVALID_FORMAT"}, {`{"op":null}`, "INVALID_FORMAT"},
			{`{"op":"subscribe"}`, "INVALID_FORMAT"}, {`{"op":"subscribe","id":"x","topics":null}`, "INVALID_FORMAT"},
			{`{"op":"subscribe","id":"` + strings.Repeat("i", 300) + `","topics":["x"]}`, "INVALID_ARGUMENT"},
			{strings.Repeat(`{"op":`, 5000) + `1` + strings.Repeat(`}`, 5000), "INVALID_FORMAT"},
			{`{"op":"` + strings.Repeat("a", 70000) + `"}`, "TOO_LARGE"},
		} {
			c.send(test.frame)
			c.want(`{"op":"error","code":"` + test.code + `","message":"*"}`)
		}
		c.alive()
	})
}

// A Conn may ask for so many things and no more, in a resume too.
func TestSubscriptionsAreBounded(t *testing.T) {
	h := openHouse(t, func(l *parley.Limits) { l.Subscriptions = 3 })
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = strconv.Quote("events.org_demo.app.x.y.z" + strconv.Itoa(i))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	c := h.dial("/ws/topics?token=" + h.mint("ada"))
	c.send(`{"op":"subscribe","id":"a","topics":`+many(4)+`}`, `{"op":"subscribe","id":"a","topics":`+many(3)+`}`, `{"op":"subscribe","id":"b","topics":`+many(1)+`}`)
	c.want(`{"op":"error","id":"a","code":"RATE_LIMITED"}`, `{"op":"subscribed","id":"a"}`, `{"op":"error","id":"b","code":"RATE_LIMITED"}`)
	c = h.dial("/ws/topics?token=" + h.mint("ada") + "&cursor=")
	c.send(`{"op":"resume","subscriptions":[{"id":"a","topics":` + many(2) + `},{"id":"b","topics":` + many(2) + `}]}`)
	c.want(`{"op":"subscribed","id":"a"}`, `{"op":"error","id":"b","code":"RATE_LIMITED"}`)
}

// The events surface (contracts.md 1.1): the URL says it all, and what clients say
// is ignored.
func TestEvents(t *testing.T) {
	h := openHouse(t)
	talk, foreign := h.talk("ada", "bob"), h.talk("bob", "cyd")
	path := "/realtime?channels=conversation,app&client_id=x&token=" + h.mint("ada")
	c := h.dial(path)
	for _, s := range []string{"not json", "null", `{"type":"ping"}`, strings.Repeat("a", 70000)} {
		c.send(s)
	}
	c.raw(frame(fin|byte(opBinary), "\x00"))
	c.alive()
	h.post("bob", foreign, "not for ada")
	h.post("bob", talk, "hello")
	c.want(`{"id":"*","type":"message.new","channel":"conversation","cursor":"*","data":{"conversation_id":"` + talk.String() + `","message":{"content":"hello"}}}`)
	h.do("ada", parley.PublishEvent{Type: "app.said", Channel: "app", Data: parley.RawJSON(`{"by":"me"}`)})
	cursor := c.want(`{"type":"app.said","channel":"app","data":{"by":"me"}}`)[0]["cursor"].(string)
	c.raw(closeFrame(1000, ""))
	c.closed(1000)
	h.post("bob", talk, "missed")
	c = h.dial(path + "&cursor=" + cursor)
	c.want(`{"type":"message.new","data":{"message":{"content":"missed"}}}`)
	c = h.dial(path + "&cursor=nonsense")
	c.want(`{"type":"system.status","data":{"status":"reload"}}`)
}
