package parley_test

import (
	"slices"
	"testing"

	"github.com/parley-chat/parley"
)

// contracts.md C4: three spellings of one scope.
func TestParseScope(t *testing.T) {
	for text, want := range map[string]parley.Scope{
		"memory:read":                          parley.ScopeMemoryRead,
		"read:memory":                          parley.ScopeMemoryRead,
		"memory:read:project;purpose=x;ttl=1h": parley.ScopeMemoryRead,
		"memory:read:own":                      parley.ScopeMemoryRead,
		"memory:read;ttl=1h":                   parley.ScopeMemoryRead,
		"read:conversations":                   parley.ScopeConversationsRead,
		"conversations:write":                  parley.ScopeConversationsWrite,
		"write:conversations":                  parley.ScopeConversationsWrite,
		"conversations:read_all":               parley.ScopeConversationsReadAll,
		"publish:system":                       parley.ScopeSystemPublish,
		"admin":                                parley.ScopeAdmin,

		"":                     "",
		":":                    "",
		"memory":               "",
		"read":                 "",
		"memory:write":         "",
		"Memory:Read":          "",
		" memory:read":         "",
		"memory:read purpose":  "",
		"own:memory:read":      "",
		"admin:everything":     "",
		"conversations:read_*": "",
	} {
		got, ok := parley.ParseScope(text)
		if got != want || ok != (want != "") {
			t.Errorf("%q is read as %q, %t; want %q", text, got, ok, want)
		}
	}
}

func TestScopes(t *testing.T) {
	none := parley.Scopes{}
	some := parley.NewScopes(parley.ScopeMemoryRead, parley.ScopeEventsPublish, "no:such")
	admin := parley.NewScopes(parley.ScopeAdmin)
	for _, s := range parley.KnownScopes {
		if none.Has(s) {
			t.Errorf("the empty set has %s", s)
		}
		if want := s == parley.ScopeMemoryRead || s == parley.ScopeEventsPublish; some.Has(s) != want {
			t.Errorf("the set of two has %s: %t", s, !want)
		}
		if !admin.Has(s) {
			t.Errorf("admin has not %s", s)
		}
	}
	if some.Has("no:such") || none.Has("") {
		t.Error("a scope that does not exist is in a set")
	}
	if got, want := some.List(), []parley.Scope{parley.ScopeEventsPublish, parley.ScopeMemoryRead}; !slices.Equal(got, want) {
		t.Errorf("listed as %v, want %v", got, want)
	}
	if some != parley.NewScopes(parley.ScopeEventsPublish, parley.ScopeMemoryRead, parley.ScopeMemoryRead) {
		t.Error("sets of the same scopes differ")
	}
}

// design.md section 10: a token without a scope claim is a user's. It may not
// hear the whole org, speak for the system, or administer.
func TestUserScopes(t *testing.T) {
	p := parley.Principal{Scopes: parley.UserScopes}
	for _, s := range parley.KnownScopes {
		denied := s == parley.ScopeOrgRead || s == parley.ScopeSystemPublish || s == parley.ScopeAdmin || s == parley.ScopeConversationsReadAll
		if p.Can(s) == denied {
			t.Errorf("a user can %s: %t", s, !denied)
		}
	}
}
