package engine

import (
	"context"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/allocs"
)

// What is told live touches no store; what is kept pays for SQLite's rows too, a
// message for its words in the search index, and each for a transaction of its own,
// as it is alone here.
func TestAllocationBudget(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Limits.ServicePublishes, c.Limits.MessagesPerSecond, c.Limits.MessagesBurst, c.Solo = 1<<30, 1<<30, 1<<30, true
	})
	svc, talk := backend("svc"), w.group("ben")
	ctx := context.Background()
	do := func(who *parley.Principal, cmd parley.Command) func() {
		return func() {
			if _, err := w.Do(ctx, who, cmd); err != nil {
				t.Fatal(err)
			}
		}
	}
	inTalk := moved(talk)
	inTalk.Data = data(`{"text":"%0200d",%s`, 1, inTalk.Data[1:])
	onChannel := parley.PublishEvent{Type: "cursor.moved", Channel: "app", Data: data(`{"text":"%0200d"}`, 1)}
	kept := onChannel
	kept.Type = "order.shipped"
	allocs.Check(t,
		allocs.Row{Name: "live into a conversation", Most: 8, Do: do(svc, inTalk)},
		allocs.Row{Name: "live on a channel", Most: 6, Do: do(svc, onChannel)},
		allocs.Row{Name: "kept on a channel", Most: 54, Do: do(svc, kept)},
		allocs.Row{Name: "a message", Most: 244, Do: do(ann, parley.PostMessage{Conversation: talk, Content: "hello, everybody"})},
	)
}
