package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/config"
)

// stopping begins a stop; the error comes once it has ended.
func (n *node) stopping(within time.Duration) <-chan error {
	ctx := timeout(n.t, within)
	done := make(chan error, 1)
	go func() { done <- n.Stop(ctx) }()
	return done
}

// A story takes ten seconds, an order about two.
func TestADrainLetsAnAnswerFinish(t *testing.T) {
	onBothStores(t, func(t *testing.T, cfg *config.Config) {
		n := start(t, cfg)
		session := n.session()
		ear := n.mustDial(n.token("ann"), session)
		n.say(session, "Where is my order 12345?")
		ear.hear(`"stream_chunk"`)
		done := n.stopping(30 * time.Second)
		if end := ear.hear(`"stream_end"`); !strings.Contains(end, `"completed"`) {
			t.Errorf("the answer ended with %s", end)
		}
		if why := ear.end(10 * time.Second); !strings.Contains(why.Error(), "4012") {
			t.Errorf("the socket ended with %v", why)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestADrainRefusesSocketsAtOnceAndInterruptsWhatTakesTooLong(t *testing.T) {
	n := start(t, newConfig(t))
	session := n.session()
	ear := n.mustDial(n.token("ann"), session)
	n.say(session, "Tell me a story")
	ear.hear(`"stream_chunk"`)
	began := time.Now()
	done := n.stopping(4 * time.Second)

	eventually(t, time.Second, "the node is not ready", func() bool {
		status, why := n.call("/readyz", "", nil)
		return status == http.StatusServiceUnavailable && strings.Contains(why, "the server is going away")
	})
	if _, err := n.dial(n.token("ben"), "", nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a new socket: %v", err)
	}
	n.say(session, "and this?") // requests are answered, and kept
	if end := ear.hear(`"stream_end"`); !strings.Contains(end, `"interrupted"`) {
		t.Errorf("the answer ended with %s", end)
	}
	if took := time.Since(began); took < 1500*time.Millisecond || took > 3500*time.Millisecond {
		t.Errorf("the answer was interrupted after %s, want half of 4s", took)
	}
	if why := ear.end(5 * time.Second); !strings.Contains(why.Error(), "4012") {
		t.Errorf("the socket ended with %v", why)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAStopWithNothingToDoIsQuick(t *testing.T) {
	n := start(t, newConfig(t))
	ear := n.mustDial(n.token("ann"), "")
	began := time.Now()
	n.stop(time.Minute)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	ear.end(time.Second)
}
