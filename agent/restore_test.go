package agent_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/store/sqlite"
)

// restorable is a store in whose place another can be put, as a backup is while
// the server goes on.
type restorable struct {
	mu sync.Mutex
	parley.Store
}

func (r *restorable) restore(backup parley.Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Store = backup
}

// Heads is what a worker asks first whenever it looks: from then on it sees what
// was restored.
func (r *restorable) Heads(ctx context.Context) (map[parley.OrgID]parley.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Store.Heads(ctx)
}

func TestWhatIsSaidAfterABackupWasRestoredIsAnswered(t *testing.T) {
	for name, more := range map[string]int{"at once": 0, "when the log has grown past it": 20} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				bot := &scripted{id: "bot", run: echo}
				w := newWorld(t, bot)
				store := &restorable{Store: w.store}
				w.engine = engine.New(engine.Config{
					Store: store, Bus: w.bus, RunLog: w.runlog, IDs: ids{}, Limits: parley.DefaultLimits(), Node: "node-1",
					Agents: agent.Principals(bot),
				})
				stop := w.work(w.engine, func(c *agent.Config) { c.Store = store })
				defer stop()
				id := w.session("bot")
				for range 5 {
					w.ask(id, "a day that will be lost")
				}
				time.Sleep(10 * time.Second)
				if n := bot.calls.Load(); n != 5 {
					t.Fatalf("answered %d times", n)
				}

				backup, err := sqlite.Open(context.Background(), sqlite.Config{
					Path: filepath.Join(t.TempDir(), "parley.db"), Synchronous: sqlite.SyncNormal, Exclusive: true,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer backup.Close()
				synctest.Wait()
				store.restore(backup)
				w.store = backup
				id = w.session("bot")
				w.ask(id, "anyone?")
				for range more {
					w.session("bot")
				}
				time.Sleep(2 * time.Second)
				w.wantSaid(id, "ann: anyone?", "bot: echo: anyone?")
				stop()
				w.engine.Stop(context.Background())
			})
		})
	}
}
