package parley

import (
	"slices"
	"strings"
	"time"
)

// OrgID names a tenant, "org_demo". Everything belongs to exactly one.
type OrgID string

// PrincipalID is the `sub` a principal's token carries: an opaque string of the
// customer's own, unique within its org whatever the principal's kind.
type PrincipalID string

// PrincipalKind says what acts: a person, an agent or a back end.
type PrincipalKind string

// The kinds of principal.
const (
	KindUser    PrincipalKind = "user"
	KindAgent   PrincipalKind = "agent"
	KindService PrincipalKind = "service"
)

// TokenClass says which credential a principal came with; contracts.md section 6
// discriminates the shared path /ws by it.
type TokenClass string

// The classes of credential.
const (
	ClassAccess    TokenClass = "access"    // a JWT of our own key or of a configured issuer
	ClassMessaging TokenClass = "messaging" // minted by GET /v1/messaging/token, own audience
	ClassKey       TokenClass = "key"       // an API key of a back end
	ClassInternal  TokenClass = "internal"  // a participant that lives in this process
)

// Principal is who acts: an authenticated user, agent or service. It is a value;
// nothing in it changes after authentication.
type Principal struct {
	Org   OrgID
	ID    PrincipalID
	Kind  PrincipalKind
	Name  string // display name, may be empty
	Email string // may be empty
	Class TokenClass
	// Credential identifies what may be revoked: a token's `jti`, or an API key's
	// id. Empty where the token carries none.
	Credential string
	Scopes     Scopes
	// ExpiresAt is when the credential stops being valid; zero for never.
	ExpiresAt time.Time
}

// Can reports whether the principal holds the scope.
func (p *Principal) Can(s Scope) bool { return p.Scopes.Has(s) }

// Scope is one permission, spelled `resource:action`.
type Scope string

// The scopes of design.md section 10.
const (
	ScopeEventsPublish       Scope = "events:publish"
	ScopeEventsSubscribe     Scope = "events:subscribe"
	ScopeSubscriptionsManage Scope = "subscriptions:manage"
	ScopeConversationsRead   Scope = "conversations:read"
	ScopeConversationsWrite  Scope = "conversations:write"
	ScopeMemoryRead          Scope = "memory:read"
	ScopeOfferingsRead       Scope = "offerings:read"
	ScopeOrgRead             Scope = "org:read"       // org-wide wildcards
	ScopeSystemPublish       Scope = "system:publish" // memory, offering and system events
	ScopeAdmin               Scope = "admin"          // everything within the org
	// ScopeConversationsReadAll lets an org:read listener hear direct
	// conversations and internal messages too.
	ScopeConversationsReadAll Scope = "conversations:read_all"
)

// KnownScopes lists every scope in the order documentation shows them.
var KnownScopes = []Scope{
	ScopeEventsPublish, ScopeEventsSubscribe, ScopeSubscriptionsManage,
	ScopeConversationsRead, ScopeConversationsWrite, ScopeMemoryRead, ScopeOfferingsRead,
	ScopeOrgRead, ScopeSystemPublish, ScopeAdmin, ScopeConversationsReadAll,
}

// UserScopes is what a token without a scope claim has.
var UserScopes = NewScopes(KnownScopes[:7]...)

// Scopes is a set of scopes. The zero value is the empty set. It is immutable
// and comparable, so that a Principal is a plain value.
type Scopes struct{ bits uint32 }

// NewScopes makes a set; unknown scopes are left out.
func NewScopes(scopes ...Scope) Scopes {
	var s Scopes
	for _, name := range scopes {
		if i := slices.Index(KnownScopes, name); i >= 0 {
			s.bits |= 1 << i
		}
	}
	return s
}

// ParseScope normalises one of the three spellings of contracts.md C4 to
// `resource:action`: `memory:read`, `read:memory`, and the long form
// `resource:action:scope;purpose=…;ttl=…`. It reports false for one that is not
// known; callers ignore those.
func ParseScope(text string) (Scope, bool) {
	text, _, _ = strings.Cut(text, ";")
	parts := strings.Split(text, ":")
	if len(parts) > 2 {
		parts = parts[:2]
	}
	for range 2 {
		if s := Scope(strings.Join(parts, ":")); slices.Contains(KnownScopes, s) {
			return s, true
		}
		slices.Reverse(parts)
	}
	return "", false
}

// Has reports whether the set holds the scope; admin implies all of them.
func (s Scopes) Has(scope Scope) bool {
	if i := slices.Index(KnownScopes, ScopeAdmin); s.bits&(1<<i) != 0 {
		return true
	}
	i := slices.Index(KnownScopes, scope)
	return i >= 0 && s.bits&(1<<i) != 0
}

// List returns the scopes in documentation order.
func (s Scopes) List() []Scope {
	var out []Scope
	for i, name := range KnownScopes {
		if s.bits&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}
