package httpd

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/parley-chat/parley"
)

// Lifetimes of the tokens that POST /v1/tokens mints.
const (
	userTokenTTL    = time.Hour
	userTokenMaxTTL = 24 * time.Hour
)

var errNoTokens = parley.Errorf(parley.CodeUnavailable, "this server mints no such tokens")

type messagingToken struct {
	Token     string `json:"token"`
	SocketURL string `json:"ws_url"` // without a query: clients append one
	ExpiresAt stamp  `json:"expires_at"`
}

// mintMessagingToken answers GET /v1/messaging/token (contracts.md 4.1).
func (s *Server) mintMessagingToken(c *call) error {
	if s.Mint == nil {
		return errNoTokens
	}
	token, expires, err := s.Mint(c.who)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, messagingToken{token, s.policy.SocketURL(c.r, "/ws"), stamp(expires)})
}

type userToken struct {
	Token     string `json:"token"`
	ExpiresAt stamp  `json:"expires_at"`
}

// mintUserToken answers POST /v1/tokens (design.md section 10): a back end vouches
// for a user of its own org.
func (s *Server) mintUserToken(c *call) error {
	if c.who.Class != parley.ClassKey && !c.who.Can(parley.ScopeAdmin) {
		return parley.Errorf(parley.CodeForbidden, "this needs an API key or the scope %s", parley.ScopeAdmin)
	}
	if s.MintUser == nil {
		return errNoTokens
	}
	c.body.need("user_id")
	user := &parley.Principal{
		Org: c.who.Org, ID: parley.PrincipalID(c.body.short("user_id")), Kind: parley.KindUser,
		Name: c.body.short("name"), Email: c.body.short("email"), Class: parley.ClassAccess,
	}
	ttl := c.body.ttl("ttl")
	if c.body.err != nil {
		return c.body.err
	}
	var err error
	if user.Scopes, err = grantedScopes(c.who, &c.body); err != nil {
		return err
	}
	token, expires, err := s.MintUser(user, ttl)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, userToken{token, stamp(expires)})
}

// grantedScopes are the scopes named, all of which the caller must hold, or else
// those of the user set that it holds. Never none: a token that says nothing of
// scopes would have the user set.
func grantedScopes(who *parley.Principal, b *fields) (parley.Scopes, error) {
	names, err := b.object.Texts("scopes")
	if b.fail(err); b.err != nil {
		return parley.Scopes{}, b.err
	}
	var scopes []parley.Scope
	if _, named := b.object["scopes"]; !named {
		for _, scope := range parley.UserScopes.List() {
			if who.Can(scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	for _, name := range names {
		scope, ok := parley.ParseScope(name)
		if !ok {
			b.bad("scopes", "scopes names %q, which is not known", name)
			return parley.Scopes{}, b.err
		}
		if !who.Can(scope) {
			return parley.Scopes{}, parley.Errorf(parley.CodeForbidden, "your credential does not hold %s itself", scope)
		}
		scopes = append(scopes, scope)
	}
	if len(scopes) == 0 {
		b.bad("scopes", "scopes must name at least one that your credential holds")
	}
	return parley.NewScopes(scopes...), b.err
}

// short is a string field of at most 256 bytes without control characters.
func (f *fields) short(key string) string {
	s := f.text(key)
	if len(s) > 256 || strings.ContainsFunc(s, unicode.IsControl) {
		f.bad(key, "%s must be at most 256 bytes without control characters", key)
	}
	return s
}

// ttl is a field that says how long: "30m", or a number of seconds.
func (f *fields) ttl(key string) time.Duration {
	if !f.object.Has(key) {
		return userTokenTTL
	}
	var d time.Duration
	if f.object.IsNumber(key) {
		seconds, err := strconv.ParseUint(string(f.object[key]), 10, 31)
		f.badIf(err != nil, key, "%s must be a whole number of seconds, or like \"30m\"", key)
		d = time.Duration(seconds) * time.Second
	} else {
		var text string
		err := json.Unmarshal(f.object[key], &text)
		if err == nil {
			d, err = time.ParseDuration(text)
		}
		f.badIf(err != nil, key, "%s must be a number of seconds, or like \"30m\"", key)
	}
	f.badIf(d < time.Second || d > userTokenMaxTTL, key, "%s must be between 1s and %s", key, userTokenMaxTTL)
	return d
}
