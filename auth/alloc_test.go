package auth_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/internal/allocs"
)

// A credential that was verified is looked up by its hash: what comes back is
// the caller's own copy of the principal.
func TestAllocationBudget(t *testing.T) {
	keys, store := openKeys(t), &memory{}
	a := newAuthenticator(t, auth.Config{Keys: keys, Store: store})
	token := mint(t, keys, auth.Claims{Subject: "u", Org: "o", TTL: time.Hour})
	secret, key, err := auth.NewKey(parley.KeyID{1}, "o", "back end", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.InsertKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	known := func(credential string) func() {
		return func() {
			if _, err := a.Authenticate(ctx, credential); err != nil {
				t.Fatal(err)
			}
		}
	}
	allocs.Check(t,
		allocs.Row{Name: "a token that is known", Most: 1, Do: known(token)},
		allocs.Row{Name: "a key that is known", Most: 1, Do: known(secret)},
	)
}
