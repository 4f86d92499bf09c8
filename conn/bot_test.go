package conn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

const nobodys = "01a1fef1-77c4-7000-8000-000000000009"

// settle makes sure that the server has acted on what was sent before, on the bot
// surface.
func (c *client) settle() {
	c.t.Helper()
	c.send(`{"type":"ping"}`)
	c.want(`{"type":"pong","timestamp":"*"}`)
}

// The documented life of a bot client (contracts.md 2.1).
func TestBot(t *testing.T) {
	h := openHouse(t)
	session := h.talk("ada", "bob").UUID()
	ada, bob := h.dial("/ws"), h.dial("/ws?token="+h.mint("bob"))
	// A first frame authenticates; it is not acknowledged, and nor is a subscription.
	ada.send(`{"type":"auth","token":"`+h.mint("ada")+`"}`, `{"type":"subscribe","session_id":"`+session+`"}`)
	ada.settle()
	bob.send(`{"type":"subscribe","payload":{"session_id":"` + session + `"}}`)
	bob.settle()

	// Who sends is told where its message went, if it asked, and does not hear it.
	ada.send(`{"type":"message","session_id":"` + session + `","content":"hello","client_msg_id":"m-1"}`)
	ada.want(`{"type":"message_ack","client_msg_id":"m-1","message_id":"*","seq":1}`)
	bob.want(`{"type":"message","session_id":"` + session + `","message_id":"*","role":"user","content":"hello"}`)
	bob.send(`{"type":"message","session_id":"` + session + `","content":"hi"}`)
	ada.want(`{"type":"message","content":"hi"}`)
	ada.send(`{"type":"typing_start","session_id":"` + session + `"}`)
	bob.want(`{"type":"typing_start","session_id":"` + session + `"}`)

	// What is taken back is heard no more.
	bob.send(`{"type":"unsubscribe","session_id":"` + session + `"}`)
	bob.settle()
	ada.send(`{"type":"message","session_id":"` + session + `","content":"alone","client_msg_id":"m-2"}`)
	ada.want(`{"type":"message_ack","client_msg_id":"m-2","seq":3}`)
	bob.alive()
}

// Another socket of the same user hears what the user said on the first.
func TestBotHearsItsOtherSocket(t *testing.T) {
	h := openHouse(t)
	session := h.talk("ada", "bob").UUID()
	phone, laptop := h.dial("/ws?token="+h.mint("ada")), h.dial("/ws?token="+h.mint("ada"))
	laptop.send(`{"type":"subscribe","session_id":"` + session + `"}`)
	laptop.settle()
	phone.send(`{"type":"message","session_id":"` + session + `","content":"from the phone"}`)
	laptop.want(`{"type":"message","role":"user","content":"from the phone"}`)
}

// Who speaks in a session hears it without subscribing.
func TestBotHearsWhereItSpeaks(t *testing.T) {
	h := openHouse(t)
	talk := h.talk("ada", "bob")
	ada := h.dial("/ws?token=" + h.mint("ada"))
	ada.send(`{"type":"message","session_id":"` + talk.UUID() + `","content":"anyone?","client_msg_id":"1"}`)
	ada.want(`{"type":"message_ack"}`)
	h.post("bob", talk, "me")
	ada.want(`{"type":"message","content":"me"}`)
}

func TestBotHistory(t *testing.T) {
	h := openHouse(t)
	talk := h.talk("ada", "bob")
	for i := range 5 {
		h.post("bob", talk, fmt.Sprint("number ", i+1))
	}
	ada := h.dial("/ws?token=" + h.mint("ada"))
	ada.send(`{"type":"subscribe","session_id":"` + talk.UUID() + `","after_seq":3}`)
	ada.want(`{"type":"message","content":"number 4","seq":4}`, `{"type":"message","content":"number 5","seq":5}`)
	h.post("bob", talk, "live")
	ada.want(`{"type":"message","content":"live","seq":6}`)
	ada.alive()
	// After the last number there is nothing, not everything.
	again := h.dial("/ws?token=" + h.mint("ada"))
	again.send(`{"type":"subscribe","session_id":"` + talk.UUID() + `","after_seq":18446744073709551615}`)
	again.settle()
}

// A history that would fill our memory is not told: the client is to fetch it.
func TestBotHistoryIsBounded(t *testing.T) {
	h := openHouse(t, func(l *parley.Limits) { l.MessagesPerSecond, l.MessagesBurst = 1000, 1000 })
	talk := h.talk("ada", "bob")
	for range 70 {
		h.post("bob", talk, strings.Repeat("a", 60<<10))
	}
	ada := h.dial("/ws?token=" + h.mint("ada"))
	ada.send(`{"type":"subscribe","session_id":"` + talk.UUID() + `","after_seq":0}`)
	ada.want(`{"type":"error","code":"SUBSCRIPTION_FAILED","session_id":"` + talk.UUID() + `","reason":"reload"}`)
	h.post("bob", talk, "live")
	ada.want(`{"type":"message","content":"live"}`)
}

// Frames that cannot be read, or ask for what is not there, are answered in the
// documented shape, and the connection is kept.
func TestBotErrors(t *testing.T) {
	h := openHouse(t)
	h.talk("ada", "bob")
	foreign := h.talk("bob", "cyd").UUID()
	c := h.dial("/ws?token=" + h.mint("ada"))
	for _, test := range []struct{ frame, code string }{
		{`not json`, "INVALID_FORMAT"},
		{``, "INVALID_FORMAT"},
		{`null`, "INVALID_FORMAT"},
		{`[]`, "INVALID_FORMAT"},
		{`"type"`, "INVALID_FORMAT"},
		{`{}`, "INVALID_FORMAT"},
		{`{"type":null}`, "INVALID_FORMAT"},
		{`{"type":7}`, "INVALID_FORMAT"},
		{`{"message_type":1,"content":"x"}`, "INVALID_FORMAT"}, // the shipped pages' dialect
		{strings.Repeat(`{"type":`, 5000) + `1` + strings.Repeat(`}`, 5000), "INVALID_FORMAT"},
		{strings.Repeat(`[`, 30000), "INVALID_FORMAT"},
		{`{"type":"typing_start","session_id":"` + foreign + `"}`, "SESSION_NOT_FOUND"},
		{`{"type":"dance"}`, "INVALID_FORMAT"},
		{`{"type":"message"}`, "INVALID_FORMAT"},
		{`{"type":"message","session_id":"` + foreign + `"}`, "INVALID_FORMAT"},
		{`{"type":"message","session_id":"nonsense","content":"x"}`, "INVALID_FORMAT"},
		{`{"type":"message","session_id":"` + foreign + `","content":"x"}`, "SESSION_NOT_FOUND"},
		{`{"type":"message","session_id":"` + nobodys + `","content":"x"}`, "SESSION_NOT_FOUND"},
		{`{"type":"subscribe","session_id":"` + foreign + `"}`, "SESSION_NOT_FOUND"},
		{`{"type":"subscribe","session_id":"` + nobodys + `"}`, "SESSION_NOT_FOUND"},
		{`{"type":"subscribe"}`, "INVALID_FORMAT"},
		{`{"type":"message","content":"` + strings.Repeat("a", 70000) + `"}`, "MESSAGE_TOO_LARGE"},
		{`{"type":"auth","token":"nonsense"}`, "INVALID_FORMAT"}, // the old token stays
	} {
		c.send(test.frame)
		c.want(`{"type":"error","code":"` + test.code + `","message":"*"}`)
	}
	c.raw(frame(fin|byte(opBinary), "\x00"))
	c.want(`{"type":"error","code":"INVALID_FORMAT"}`)
	c.alive()
	// A refusal names the session it is about.
	c.send(`{"type":"subscribe","session_id":"` + foreign + `"}`)
	c.want(`{"code":"SESSION_NOT_FOUND","session_id":"` + foreign + `"}`)
}

// A token may be refreshed in band: by one of the same subject (contracts.md
// section 10).
func TestRefresh(t *testing.T) {
	h := openHouse(t)
	talk := h.talk("ada", "bob")
	c := h.dial("/ws?token=" + h.mint("ada", expiresIn(3*time.Second)))
	c.send(`{"type":"subscribe","session_id":"` + talk.UUID() + `"}`)
	c.settle()
	c.send(`{"type":"auth","token":"` + h.mint("bob") + `"}`)
	// AUTH_FAILED would say that the socket is about to close.
	c.want(`{"type":"error","code":"INVALID_FORMAT","message":"the new token is of another subject; the old one stays"}`)
	c.send(`{"type":"auth","token":"` + h.mint("ada", func(p *parley.Principal) { p.Org = "org_other" }) + `"}`)
	c.want(`{"type":"error","code":"INVALID_FORMAT","message":"the new token is of another subject; the old one stays"}`)
	c.send(`{"type":"auth","token":"nonsense"}`)
	c.want(`{"type":"error","code":"INVALID_FORMAT","message":"the new token is not valid; the old one stays"}`)
	c.send(`{"type":"auth","token":"` + h.mint("ada", expiresIn(time.Hour)) + `"}`)
	c.settle()
	// It lives on beyond the first token's end.
	<-time.After(3200 * time.Millisecond)
	h.post("bob", talk, "still there?")
	c.want(`{"type":"message","content":"still there?"}`)
}

// A socket that named a cursor hears what it missed, once it has said what it
// listens to (contracts.md section 10, resume frames).
func TestBotResume(t *testing.T) {
	h := openHouse(t)
	talk := h.talk("ada", "bob")
	c := h.dial("/ws?token=" + h.mint("ada") + "&cursor=")
	c.send(`{"type":"resume","session_ids":["` + talk.UUID() + `"]}`)
	cursor := c.want(`{"type":"cursor","cursor":"*"}`)[0]["cursor"].(string)
	h.post("bob", talk, "one")
	cursor = c.want(`{"type":"message","content":"one","cursor":"*"}`)[0]["cursor"].(string)
	_ = c.nc.Close()
	h.post("bob", talk, "two")
	h.post("bob", talk, "three")

	t.Run("at the upgrade", func(t *testing.T) {
		c := h.dial("/ws?token=" + h.mint("ada") + "&cursor=" + cursor)
		c.send(`{"type":"resume","session_ids":["` + talk.UUID() + `"]}`)
		c.missed(`{"content":"two"}`, `{"content":"three"}`)
	})
	t.Run("in the first frame", func(t *testing.T) {
		c := h.dial("/ws")
		c.send(`{"type":"auth","token":"`+h.mint("ada")+`","cursor":"`+cursor+`"}`, `{"type":"resume","session_ids":["`+talk.UUID()+`"]}`)
		c.missed(`{"content":"two"}`, `{"content":"three"}`)
	})
	t.Run("a session that is not one's own is refused by name", func(t *testing.T) {
		c := h.dial("/ws?token=" + h.mint("ada") + "&cursor=" + cursor)
		c.send(`{"type":"resume","session_ids":["` + nobodys + `","` + talk.UUID() + `"]}`)
		c.missed(`{"type":"error","code":"SESSION_NOT_FOUND","session_id":"`+nobodys+`"}`, `{"content":"two"}`, `{"content":"three"}`)
	})
	for name, frame := range map[string]string{
		"another frame gives it up":       `{"type":"subscribe","session_id":"` + talk.UUID() + `"}`,
		"so does typing":                  `{"type":"typing_stop","session_id":"` + talk.UUID() + `"}`,
		"so does one that cannot be read": `{"type":"nonsense"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := h.dial("/ws?token=" + h.mint("ada") + "&cursor=" + cursor)
			c.send(frame, `{"type":"resume","session_ids":["`+talk.UUID()+`"]}`)
			c.settleAfter()
			h.post("bob", talk, "now "+name)
			c.missed(`{"content":"now ` + name + `"}`)
			h.post("bob", talk, "end of "+name)
			c.want(`{"content":"end of ` + name + `"}`)
		})
	}
	t.Run("a cursor of another log", func(t *testing.T) {
		c := h.dial("/ws?token=" + h.mint("ada") + "&cursor=nonsense")
		c.send(`{"type":"resume","session_ids":["` + talk.UUID() + `"]}`)
		c.missed(`{"type":"error","code":"SUBSCRIPTION_FAILED","reason":"reload"}`)
	})
}

// missed is want, passing over cursors.
func (c *client) missed(objects ...string) {
	c.t.Helper()
	c.wantBut(`"type":"cursor"`, objects...)
}

// settleAfter reads up to a pong, whatever comes before it but messages.
func (c *client) settleAfter() {
	c.t.Helper()
	c.send(`{"type":"ping"}`)
	for {
		switch got := c.data(); {
		case strings.Contains(got, `"type":"pong"`):
			return
		case strings.Contains(got, `"type":"message"`):
			c.t.Fatalf("heard %s", got)
		}
	}
}
