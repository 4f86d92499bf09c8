// Package demo is an agent that needs no key and no network: it always says the
// same to the same question. It streams, calls a tool and tells a story, so that
// everything a real agent does can be seen and tested without one.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
)

// ID is the demo agent's principal id, in every org.
const ID parley.PrincipalID = "demo"

// How long the parts of an answer take in real time.
const (
	thinkTime  = 300 * time.Millisecond // typing, before the first word
	toolTime   = 400 * time.Millisecond
	answerTime = time.Second
	storyTime  = 10 * time.Second
)

// Agent is the demo agent.
type Agent struct {
	// Pace waits between two pieces, until ctx ends; nil waits in real time.
	Pace func(ctx context.Context, d time.Duration) error
}

var _ agent.Agent = (*Agent)(nil)

// New makes a demo agent that speaks at a reader's pace.
func New() *Agent { return &Agent{} }

// NoPace makes an agent say everything at once.
func NoPace(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// Principal is who the agent is.
func (a *Agent) Principal() parley.Principal {
	return parley.Principal{ID: ID, Name: "Demo", Kind: parley.KindAgent}
}

var (
	orderQuestion = regexp.MustCompile(`(?is)\border\b[^0-9]*?([0-9]{1,20})|([0-9]{1,20})[^0-9]*?\border\b`)
	storyQuestion = regexp.MustCompile(`(?i)\bstory\b`)
)

// Run answers: an order by looking it up, a wish for a story with one, anything
// else in a friendly sentence.
func (a *Agent) Run(ctx context.Context, in agent.Input, out agent.Emitter) error {
	// Typing is a courtesy: the answer does not depend on it.
	_ = out.Typing(ctx, true)
	if err := a.wait(ctx, thinkTime); err != nil {
		return err
	}
	if m := orderQuestion.FindStringSubmatch(in.Message.Content); m != nil {
		return a.order(ctx, m[1]+m[2], out)
	}
	if storyQuestion.MatchString(in.Message.Content) {
		return a.say(ctx, story, storyTime, out)
	}
	return a.say(ctx, reply(in.Message), answerTime, out)
}

// order looks an order up with a tool and says where it is.
func (a *Agent) order(ctx context.Context, number string, out agent.Emitter) error {
	arguments, err := json.Marshal(map[string]string{"order_id": number})
	if err != nil {
		return err
	}
	if err := out.ToolCalled(ctx, "call_1", "search_orders", arguments); err != nil {
		return err
	}
	if err := a.wait(ctx, toolTime); err != nil {
		return err
	}
	found := searchOrders(number)
	result, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if err := out.ToolReturned(ctx, "call_1", "search_orders", result); err != nil {
		return err
	}
	return a.say(ctx, fmt.Sprintf("I found order %s: it is %s with %s and should reach you in %d days.",
		found.OrderID, found.Status, found.Carrier, found.Days), answerTime, out)
}

// shipment is what the tool knows of an order.
type shipment struct {
	OrderID string `json:"order_id"`
	Status  string `json:"status"`
	Carrier string `json:"carrier"`
	Days    int    `json:"days_left"`
}

// searchOrders is the tool: every order is on its way, for as many days as its
// last digit says.
func searchOrders(number string) shipment {
	return shipment{number, "shipped", "Northwind Post", 2 + int(number[len(number)-1]-'0')%4}
}

// reply is a friendly sentence that shows what was heard.
func reply(m parley.Message) string {
	name := m.SenderName
	if name == "" {
		name = "there"
	}
	return fmt.Sprintf("Hello %s! You said “%s”. I am a small agent with a fixed script: "+
		"ask me about an order and its number, or ask me for a story. 🙂", name, excerpt(m.Content))
}

// excerpt is the beginning of what was said, on one line.
func excerpt(s string) string {
	const limit = 60
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

// say streams a text in about the time given, token by token.
func (a *Agent) say(ctx context.Context, text string, total time.Duration, out agent.Emitter) error {
	tokens := strings.SplitAfter(text, " ")
	pause := total / time.Duration(len(tokens))
	for _, token := range tokens {
		if err := out.Text(ctx, token); err != nil {
			return err
		}
		if err := a.wait(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) wait(ctx context.Context, d time.Duration) error {
	if a.Pace != nil {
		return a.Pace(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
