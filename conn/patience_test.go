package conn

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestACommandHasItsTimeFromWhenItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := patience{parent: t.Context()}
		defer p.end()
		time.Sleep(2 * commandTimeout)
		if err := p.Err(); err != nil {
			t.Fatalf("nobody has waited, and it ended: %v", err)
		}
		began := time.Now()
		child, cancel := context.WithCancel(&p)
		defer cancel()
		<-child.Done()
		if waited := time.Since(began); waited != commandTimeout {
			t.Errorf("waited %v", waited)
		}
		if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("ended with %v and %v", child.Err(), p.Err())
		}
	})
}

func TestWhatACommandLeftRunningEndsWithIt(t *testing.T) {
	before, after := patience{parent: t.Context()}, patience{parent: t.Context()}
	done := before.Done()
	before.end()
	after.end()
	<-done
	<-after.Done() // asked for only now
	for _, p := range []*patience{&before, &after} {
		if !errors.Is(p.Err(), context.Canceled) {
			t.Errorf("ended with %v", p.Err())
		}
	}
	parent, cancel := context.WithCancel(t.Context())
	cancel()
	if p := (patience{parent: parent}); !errors.Is(p.Err(), context.Canceled) {
		t.Errorf("the server ended, the command has %v", p.Err())
	}
}
