package auth_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/internal/membus"
)

// sharing has a node share what it knows until the test ends.
func sharing(t *testing.T, a *auth.Authenticator, bus parley.Bus) *auth.Authenticator {
	t.Helper()
	stop, err := a.Share(bus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return a
}

// heardOf returns what a node tells its listeners.
func heardOf(a *auth.Authenticator) <-chan string {
	all := make(chan string, 1000)
	a.OnRevoke(func(org parley.OrgID, credential string) { all <- string(org) + "/" + credential })
	return all
}

func TestARevocationOnOneNodeTakesEffectOnAnotherAtOnce(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store, bus := &memory{}, membus.New()
		here := sharing(t, newAuthenticator(t, auth.Config{Keys: keys, Store: store}), bus)
		there := sharing(t, newAuthenticator(t, auth.Config{Keys: keys, Store: store}), bus)
		token := mint(t, keys, ana)
		p := authenticate(t, here, token)
		authenticate(t, there, token)
		heard := heardOf(there)
		_, polls := store.count()

		if err := here.Revoke(t.Context(), p.Org, p.Credential, time.Time{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // no time passes
		if got := fmt.Sprint(len(heard), " ", <-heard); got != "1 org_demo/"+p.Credential {
			t.Errorf("the other node's sockets were told %s", got)
		}
		refused(t, there, token, parley.CodeUnauthenticated)
		if _, now := store.count(); now != polls {
			t.Errorf("the store was polled %d times", now-polls)
		}
	})
}

// What one node finds in the store it tells those who cannot reach it, and they
// deliver on.
func TestANodeWithoutTheStoreKnowsFromTheOthers(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store, cutOff, bus := &memory{}, &memory{}, membus.New()
		sharing(t, watched(t, auth.Config{Keys: keys, Store: store}), bus)
		there := sharing(t, watched(t, auth.Config{Keys: keys, Store: cutOff}), bus)
		token := mint(t, keys, ana)
		p := authenticate(t, there, token)
		cutOff.set(parley.ErrUnavailable)
		time.Sleep(time.Minute)
		if !there.Fresh() {
			t.Fatal("it does not know what it is told")
		}
		authenticate(t, there, token)

		// A message is lost: it is told again.
		bus.Cut(true)
		if err := store.Revoke(t.Context(), parley.Revocation{Org: p.Org, Credential: p.Credential, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		bus.Cut(false)
		time.Sleep(time.Second)
		synctest.Wait()
		refused(t, there, token, parley.CodeUnauthenticated)

		// After a long silence what is told may not be all: only the store knows.
		bus.Cut(true)
		time.Sleep(6 * time.Second)
		if there.Fresh() {
			t.Error("fresh after 6 s of silence")
		}
		bus.Cut(false)
		time.Sleep(time.Minute)
		if there.Fresh() {
			t.Error("fresh without having asked the store")
		}
		cutOff.set(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if !there.Fresh() {
			t.Error("not fresh with the store back")
		}
	})
}

// A node that has told nobody anything before does not tell all that ever was
// revoked, and none is told for ever.
func TestOnlyNewsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, bus := &memory{}, membus.New()
		long := strings.Repeat("x", 8000)
		for i := range 100 { // more than a message holds
			_ = store.Revoke(context.Background(), parley.Revocation{Org: "o", Credential: fmt.Sprint("new", i, long), At: time.Now()})
			_ = store.Revoke(context.Background(), parley.Revocation{Org: "o", Credential: fmt.Sprint("old", i), At: time.Now().Add(-time.Hour)})
		}
		var mu sync.Mutex
		names, largest := map[string]bool{}, 0
		stop, err := bus.Subscribe("control.revoked", func(_, _ string, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			largest = max(largest, len(data))
			for _, name := range strings.Split(string(data), `"credential":"`)[1:] {
				names[name[:4]] = true
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		a := newAuthenticator(t, auth.Config{Store: store})
		sharing(t, a, bus)
		there := sharing(t, newAuthenticator(t, auth.Config{Store: &memory{}}), bus)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Watch(ctx)
		synctest.Wait()
		for i := range 100 {
			if !there.Revoked("o", fmt.Sprint("new", i, long)) {
				t.Fatalf("new%d was not told", i)
			}
			if there.Revoked("o", fmt.Sprint("old", i)) {
				t.Fatalf("old%d was told", i)
			}
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		mu.Lock()
		if largest > parley.MaxBusMessage {
			t.Errorf("a message has %d bytes", largest)
		}
		clear(names)
		mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(names) > 0 {
			t.Errorf("still told: %v", names)
		}
	})
}

func TestWhatCannotBeReadIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, bus := &memory{}, membus.New()
		a := sharing(t, watched(t, auth.Config{Store: store}), bus)
		store.set(parley.ErrUnavailable)
		for range 6 {
			time.Sleep(time.Second)
			if err := bus.Publish("control.revoked", []byte("nonsense")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if a.Fresh() {
			t.Error("nonsense keeps it fresh")
		}
	})
}
