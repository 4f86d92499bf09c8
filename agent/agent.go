// Package agent lets agents answer: a worker follows the store's log and begins a
// run for each message that an agent of this process is to answer. What an agent
// says goes through the engine's run, so that it is kept before it is told
// (design.md section 7).
package agent

import (
	"context"

	"github.com/parley-chat/parley"
)

// Agent answers messages. One value serves all orgs and conversations, so its
// methods are called concurrently.
type Agent interface {
	// Principal is who answers: ID and Name; the rest is filled in.
	Principal() parley.Principal
	// Run answers one message. It returns nil once all is said. An error ends the
	// run as failed; its text is shown to clients only where it is an *parley.Error.
	// When ctx ends the answer is no longer wanted: Run returns soon, whatever.
	Run(ctx context.Context, in Input, out Emitter) error
}

// Input is what an agent is asked.
type Input struct {
	Org          parley.OrgID
	Conversation parley.ConversationID
	Run          parley.RunID
	// Message is what to answer.
	Message parley.Message
	// History returns at most limit messages up to and with Message, ascending, that
	// the agent may see.
	History func(ctx context.Context, limit int) ([]parley.Message, error)
}

// Emitter takes what an agent says, in order. Its errors mean that the run is over
// or cannot go on: the agent returns them. It may be used until Run returns, by
// one goroutine at a time.
type Emitter interface {
	// Text appends to the answer. A rune may be split over two calls.
	Text(ctx context.Context, text string) error
	// ToolCalled tells that a tool is called; call is unique within the run,
	// arguments is JSON.
	ToolCalled(ctx context.Context, call, tool string, arguments []byte) error
	// ToolReturned tells what the tool answered, as JSON.
	ToolReturned(ctx context.Context, call, tool string, result []byte) error
	// Typing shows, or stops showing, that the agent is at work. It ends by itself
	// with the answer.
	Typing(ctx context.Context, on bool) error
}

// Principals returns who the agents are, for engine.Config.Agents.
func Principals(agents ...Agent) []parley.Principal {
	list := make([]parley.Principal, len(agents))
	for i, a := range agents {
		list[i] = principalIn("", a)
	}
	return list
}

// principalIn is an agent as it acts in an org.
func principalIn(org parley.OrgID, a Agent) parley.Principal {
	p := a.Principal()
	p.Org, p.Kind, p.Class, p.Scopes = org, parley.KindAgent, parley.ClassInternal, parley.UserScopes
	return p
}
