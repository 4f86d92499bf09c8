package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

// FuzzAuthenticate: whatever comes, the answer is a principal or one of two
// errors, never a panic.
func FuzzAuthenticate(f *testing.F) {
	keys := openKeys(f)
	a := newAuthenticator(f, auth.Config{Keys: keys, Issuers: []auth.Issuer{shared()}})
	f.Add(mint(f, keys, ana))
	f.Add("parley_key_AAAA")
	f.Add("..")
	f.Add("bnVsbA.bnVsbA.") // null in both places
	f.Add(sign(f, jwt.SigningMethodHS256, secret, theirs(nil)))
	f.Fuzz(func(t *testing.T, token string) {
		p, err := a.Authenticate(context.Background(), token)
		var e *parley.Error
		switch {
		case err == nil && p.ID != "" && p.Org != "":
		case errors.As(err, &e) && e.Code == parley.CodeUnauthenticated:
		default:
			t.Errorf("got %v, %v", p, err)
		}
	})
}

// FuzzClaims signs whatever claims come, so that they are looked at.
func FuzzClaims(f *testing.F) {
	a := newAuthenticator(f, auth.Config{Issuers: []auth.Issuer{shared()}})
	f.Add("u1", "org_demo", "scope", "admin", 1e10)
	f.Add("u\x00", "", "permissions", "", -1.0)
	f.Add("u", "o", "metadata", "x", 1e308)
	f.Add("u", "o", "nbf", "x", 0.5)
	f.Fuzz(func(t *testing.T, sub, org, extra, value string, exp float64) {
		claims := theirs(jwt.MapClaims{"sub": sub, "org": org, extra: value})
		claims["exp"] = exp
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
		if err != nil {
			t.Skip(err) // NaN is no JSON
		}
		p, err := a.Authenticate(context.Background(), token)
		if err == nil && (p.ID == "" || p.Org == "" || p.ExpiresAt.Year() > 9999) {
			t.Errorf("let in %+v", p)
		}
		if err != nil && !errors.Is(err, &parley.Error{Code: parley.CodeUnauthenticated}) {
			t.Errorf("got %v", err)
		}
	})
}
