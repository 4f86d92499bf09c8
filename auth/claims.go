package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley"
)

// MaxName bounds an org, a subject, a name and an address, in bytes.
const MaxName = 256

// principal reads who verified claims speak for. The class, and an org where the
// issuer is bound to one, are the caller's.
func principal(claims jwt.MapClaims, class parley.TokenClass, org parley.OrgID) (*parley.Principal, error) {
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return nil, errors.New("the exp claim is missing or not a time")
	}
	if expires.Year() > 9999 {
		return nil, errors.New("the exp claim is no time that can be told") // RFC 3339 ends there
	}
	p := &parley.Principal{
		Kind: parley.KindUser, Class: class, ExpiresAt: expires.Time,
		Name: person(claims, "name"), Email: person(claims, "email"),
	}
	sub, subErr := text(claims, "sub")
	claimed, orgErr := text(claims, "org")
	kind, kindErr := text(claims, "kind")
	id, idErr := text(claims, "jti")
	scopes, scopeErr := scopesOf(claims)
	if err := errors.Join(subErr, orgErr, kindErr, idErr, scopeErr); err != nil {
		return nil, err
	}
	if claimed == "" {
		claimed = string(org)
	}
	if org != "" && claimed != string(org) {
		return nil, errors.New("the issuer may not speak for the org")
	}
	if p.Kind, err = kindOf(kind); err != nil {
		return nil, errors.Join(checkID("sub", sub), checkID("org", claimed), err)
	}
	p.Org, p.ID, p.Credential, p.Scopes = parley.OrgID(claimed), parley.PrincipalID(sub), id, scopes
	gather(p)
	return p, errors.Join(checkID("sub", sub), checkID("org", claimed))
}

// gather puts the texts of a principal into one piece of memory: it lives as long
// as its Conn, and five small pieces among what a handshake leaves behind hold
// more of the heap than they are long.
func gather(p *parley.Principal) {
	all := string(p.Org) + string(p.ID) + p.Credential + p.Name + p.Email
	next := func(n int) (part string) {
		part, all = all[:n], all[n:]
		return part
	}
	p.Org, p.ID = parley.OrgID(next(len(p.Org))), parley.PrincipalID(next(len(p.ID)))
	p.Credential, p.Name, p.Email = next(len(p.Credential)), next(len(p.Name)), next(len(p.Email))
}

// text reads a claim that must be a string where it is there at all.
func text(claims map[string]any, name string) (string, error) {
	v, ok := claims[name]
	if !ok || v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("the %s claim is not a string", name)
	}
	return s, nil
}

// person reads what is only shown, from the claim or from `metadata`, where
// tokens minted by customers of the events surface have it (contracts.md 1.4).
// What cannot be shown is left out rather than refused.
func person(claims jwt.MapClaims, name string) string {
	s, _ := text(claims, name)
	if metadata, ok := claims["metadata"].(map[string]any); ok && s == "" {
		s, _ = text(metadata, name)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	for len(s) > MaxName {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// scopesOf reads `scope` (a string of words, or a list) and `permissions` (the
// same), in any of the spellings of contracts.md C4. Unknown scopes mean nothing;
// a token with neither claim has the user set.
func scopesOf(claims jwt.MapClaims) (parley.Scopes, error) {
	var words []string
	found := false
	for _, name := range []string{"scope", "permissions"} {
		v, ok := claims[name]
		if !ok {
			continue
		}
		found = true
		switch v := v.(type) {
		case string:
			words = append(words, strings.Fields(v)...)
		case []any:
			for _, w := range v {
				s, ok := w.(string)
				if !ok {
					return parley.Scopes{}, fmt.Errorf("the %s claim holds something else than strings", name)
				}
				words = append(words, s)
			}
		default:
			return parley.Scopes{}, fmt.Errorf("the %s claim is neither a string nor a list", name)
		}
	}
	if !found {
		return parley.UserScopes, nil
	}
	var scopes []parley.Scope
	for _, w := range words {
		if s, ok := parley.ParseScope(w); ok {
			scopes = append(scopes, s)
		}
	}
	return parley.NewScopes(scopes...), nil
}

// checkID says what is wrong with an org or a subject: both become keys in the
// store and parts of topics.
func checkID(name, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is missing", name)
	case len(s) > MaxName:
		return fmt.Errorf("%s is longer than %d bytes", name, MaxName)
	case !utf8.ValidString(s), strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s holds control characters or is not UTF-8", name)
	}
	return nil
}

// kindOf reads a kind; none is a user.
func kindOf(text string) (parley.PrincipalKind, error) {
	for _, k := range []parley.PrincipalKind{parley.KindUser, parley.KindAgent, parley.KindService} {
		if text == string(k) || text == "" {
			return k, nil
		}
	}
	return "", errors.New("kind is none of user, agent, service")
}
