package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley"
)

// What our own tokens say of themselves. The audience is the class of the token.
const (
	OwnIssuer         = "parley"
	AccessAudience    = "parley"
	MessagingAudience = "parley-messaging"
)

// Lifetimes where none is asked for.
const (
	DefaultAccessTTL    = time.Hour
	DefaultMessagingTTL = 15 * time.Minute
)

// Claims is what an access token is to say.
type Claims struct {
	Subject parley.PrincipalID
	Org     parley.OrgID
	Kind    parley.PrincipalKind // empty: user
	Name    string
	Email   string
	// Credential is what may be revoked, the token's id; empty: one of its own. Tokens
	// that share one are revoked together.
	Credential string
	// Scopes of the token; nil leaves the claim out, which means the user set.
	Scopes []parley.Scope
	// TTL is how long the token lives from now; zero: DefaultAccessTTL.
	TTL time.Duration
}

// Mint makes an access token. An empty or unusable subject or org, an unknown
// kind or scope, and a negative TTL are errors.
func (k *Keys) Mint(c Claims) (string, error) {
	if c.TTL == 0 {
		c.TTL = DefaultAccessTTL
	}
	if c.TTL < 0 {
		return "", errors.New("mint token: it would have expired already")
	}
	for _, s := range c.Scopes {
		if _, ok := parley.ParseScope(string(s)); !ok {
			return "", fmt.Errorf("mint token: there is no scope %q", s)
		}
	}
	now := time.Now()
	if c.Credential == "" {
		c.Credential = rand.Text()
	}
	return k.sign(c, AccessAudience, c.Credential, now, now.Add(c.TTL))
}

// MintMessaging makes a messaging token for an authenticated principal: what it
// may do stays the same, and it lives for ttl (zero: DefaultMessagingTTL) but
// never beyond p's own credential. It may be used more than once. It carries p's
// credential, so that revoking the one revokes the other.
func (k *Keys) MintMessaging(p *parley.Principal, ttl time.Duration) (token string, expires time.Time, err error) {
	if ttl <= 0 {
		ttl = DefaultMessagingTTL
	}
	now := time.Now()
	expires = now.Add(ttl)
	if !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(expires) {
		expires = p.ExpiresAt
	}
	expires = expires.Truncate(time.Second) // as the token will say
	if !expires.After(now) {
		return "", time.Time{}, unauthenticated(errors.New("the credential has expired"))
	}
	credential := p.Credential
	if credential == "" {
		credential = rand.Text()
	}
	scopes := p.Scopes.List()
	if scopes == nil {
		scopes = []parley.Scope{} // none, rather than the user set
	}
	c := Claims{Subject: p.ID, Org: p.Org, Kind: p.Kind, Name: p.Name, Email: p.Email, Scopes: scopes}
	token, err = k.sign(c, MessagingAudience, credential, now, expires)
	return token, expires, err
}

func (k *Keys) sign(c Claims, audience, id string, now, expires time.Time) (string, error) {
	if c.Kind == "" {
		c.Kind = parley.KindUser
	}
	_, err := kindOf(string(c.Kind))
	if err := errors.Join(checkID("sub", string(c.Subject)), checkID("org", string(c.Org)), err); err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	claims := jwt.MapClaims{
		"iss": OwnIssuer, "aud": audience, "sub": string(c.Subject), "org": string(c.Org),
		"kind": string(c.Kind), "jti": id, "iat": now.Unix(), "exp": expires.Unix(),
	}
	if c.Name != "" {
		claims["name"] = c.Name
	}
	if c.Email != "" {
		claims["email"] = c.Email
	}
	if c.Scopes != nil {
		claims["scope"] = joinScopes(c.Scopes)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	t.Header["kid"] = k.id
	signed, err := t.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

func joinScopes(scopes []parley.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}
