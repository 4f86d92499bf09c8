package auth_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

// watched is an Authenticator whose Watch runs until the test ends.
func watched(t *testing.T, c auth.Config) *auth.Authenticator {
	a := newAuthenticator(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { a.Watch(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return a
}

func TestARevocationInTheStoreTakesEffectWithinASecond(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		a := watched(t, auth.Config{Keys: keys, Store: store})
		token, other := mint(t, keys, ana), mint(t, keys, ana)
		p := authenticate(t, a, token)
		messaging, _, err := keys.MintMessaging(p, 0)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		a.OnRevoke(func(org parley.OrgID, credential string) { told = append(told, string(org)+"/"+credential) })

		if err := store.Revoke(t.Context(), parley.Revocation{Org: p.Org, Credential: p.Credential, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		refused(t, a, token, parley.CodeUnauthenticated)
		refused(t, a, messaging, parley.CodeUnauthenticated) // minted from it
		authenticate(t, a, other)
		time.Sleep(time.Minute) // the polls overlap, but nobody is told twice
		synctest.Wait()
		if want := []string{"org_demo/" + p.Credential}; !slices.Equal(told, want) {
			t.Errorf("listeners heard %v, want %v", told, want)
		}
	})
}

// What is revoked until a time is refused until then, by any clock, and then
// forgotten, though the store may still tell of it.
func TestARevocationThatHasEndedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		a := watched(t, auth.Config{Store: store})
		if err := a.Revoke(t.Context(), "o", "login", time.Now().Add(15*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := a.Revoke(t.Context(), "o", "key", time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(19 * time.Minute)
		synctest.Wait()
		if !a.Revoked("o", "login") {
			t.Error("forgotten before its tokens have expired by every clock")
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if a.Revoked("o", "login") {
			t.Error("never forgotten")
		}
		time.Sleep(24 * time.Hour)
		if !a.Revoked("o", "key") {
			t.Error("what has no end was forgotten")
		}
	})
}

func TestARevocationByAClockThatIsSlowTakesEffectToo(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		a := watched(t, auth.Config{Keys: keys, Store: store})
		token := mint(t, keys, ana)
		p := authenticate(t, a, token)
		if err := store.Revoke(t.Context(), parley.Revocation{Org: p.Org, Credential: p.Credential, At: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		refused(t, a, token, parley.CodeUnauthenticated)
	})
}

func TestARevocationBeforeTheStartCounts(t *testing.T) {
	keys := openKeys(t)
	store := &memory{}
	first := newAuthenticator(t, auth.Config{Keys: keys, Store: store})
	token := mint(t, keys, ana)
	p := authenticate(t, first, token)
	if err := store.Revoke(t.Context(), parley.Revocation{Org: p.Org, Credential: p.Credential, At: time.Now().Add(-24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	restarted := newAuthenticator(t, auth.Config{Keys: keys, Store: store}) // Watch has not begun yet
	refused(t, restarted, token, parley.CodeUnauthenticated)
}

func TestRevokeTakesEffectHereAtOnce(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		a := watched(t, auth.Config{Keys: keys, Store: store})
		secret, key, err := auth.NewKey(parley.KeyID{15: 1}, "org_demo", "billing", "", nil)
		if err := errors.Join(err, store.InsertKey(t.Context(), key)); err != nil {
			t.Fatal(err)
		}
		p := authenticate(t, a, secret)
		heard := 0
		cancel := a.OnRevoke(func(parley.OrgID, string) { heard++ })
		if err := a.Revoke(t.Context(), "org_other", p.Credential, time.Time{}); err != nil {
			t.Fatal(err)
		}
		authenticate(t, a, secret) // the same id in another org is another's
		if err := a.Revoke(t.Context(), p.Org, p.Credential, time.Time{}); err != nil {
			t.Fatal(err)
		}
		refused(t, a, secret, parley.CodeUnauthenticated)
		if heard != 2 {
			t.Errorf("listener heard %d revocations, want 2", heard)
		}
		cancel()
		a.Apply(parley.Revocation{Org: p.Org, Credential: "another"})
		if heard != 2 {
			t.Error("a cancelled listener is still told")
		}
	})
}

func TestARevokeThatIsNotStoredIsNotInEffect(t *testing.T) {
	store := &memory{away: parley.ErrUnavailable}
	a := newAuthenticator(t, auth.Config{Store: store})
	if err := a.Revoke(t.Context(), "o", "c", time.Time{}); !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if a.Revoked("o", "c") {
		t.Error("what a restart would forget is in effect")
	}
}

func TestTheNodeKnowsWhenItNoLongerKnows(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		a := watched(t, auth.Config{Keys: keys, Store: store})
		token := mint(t, keys, ana)
		authenticate(t, a, token)
		store.set(parley.ErrUnavailable)
		time.Sleep(4 * time.Second)
		if !a.Fresh() {
			t.Error("stale after 4 s")
		}
		authenticate(t, a, token)
		time.Sleep(2 * time.Second)
		if a.Fresh() {
			t.Error("fresh after 6 s without the store")
		}
		refused(t, a, token, parley.CodeUnavailable)
		store.set(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if !a.Fresh() {
			t.Error("not fresh with the store back")
		}
		authenticate(t, a, token)
	})
}

func TestAStoreThatIsAwayIsNotAskedByEveryCaller(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		store := &memory{away: parley.ErrUnavailable}
		a := newAuthenticator(t, auth.Config{Keys: keys, Store: store})
		token := mint(t, keys, ana)
		for range 100 {
			refused(t, a, token, parley.CodeUnavailable)
		}
		if _, polls := store.count(); polls != 1 {
			t.Errorf("%d polls for 100 callers at one moment, want 1", polls)
		}
	})
}
