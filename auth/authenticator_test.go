package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

func TestAnAccessTokenSaysWhoSpeaks(t *testing.T) {
	keys := openKeys(t)
	a := newAuthenticator(t, auth.Config{Keys: keys})
	p := authenticate(t, a, mint(t, keys, ana))
	want := parley.Principal{
		Org: "org_demo", ID: "user_ana", Kind: parley.KindUser, Name: "Ana", Email: "ana@example.com",
		Class: parley.ClassAccess, Credential: p.Credential, Scopes: parley.UserScopes, ExpiresAt: p.ExpiresAt,
	}
	if *p != want {
		t.Errorf("got  %+v\nwant %+v", *p, want)
	}
	if len(p.Credential) < 20 {
		t.Errorf("credential %q cannot be revoked alone", p.Credential)
	}
	if left := time.Until(p.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("expires in %s, want an hour", left)
	}
}

func TestATokenHoldsTheScopesItWasMintedWith(t *testing.T) {
	keys := openKeys(t)
	a := newAuthenticator(t, auth.Config{Keys: keys})
	for name, c := range map[string]struct{ mint, want []parley.Scope }{
		"nil is the user set":     {nil, parley.UserScopes.List()},
		"none is none":            {[]parley.Scope{}, nil},
		"some are those":          {[]parley.Scope{"org:read", "memory:read"}, []parley.Scope{"memory:read", "org:read"}},
		"another spelling counts": {[]parley.Scope{"read:memory"}, []parley.Scope{"memory:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := authenticate(t, a, mint(t, keys, auth.Claims{Subject: "u", Org: "o", Kind: parley.KindAgent, Scopes: c.mint}))
			if want := parley.NewScopes(c.want...); p.Scopes != want {
				t.Errorf("scopes %v, want %v", p.Scopes.List(), c.want)
			}
			if p.Kind != parley.KindAgent {
				t.Errorf("kind %s, want agent", p.Kind)
			}
		})
	}
}

func TestMintRefusesClaims(t *testing.T) {
	keys := openKeys(t)
	for name, c := range map[string]auth.Claims{
		"without a subject":       {Org: "o"},
		"without an org":          {Subject: "u"},
		"with an unknown kind":    {Subject: "u", Org: "o", Kind: "robot"},
		"with an unknown scope":   {Subject: "u", Org: "o", Scopes: []parley.Scope{"all"}},
		"that expired already":    {Subject: "u", Org: "o", TTL: -time.Second},
		"with a control byte":     {Subject: "u\x00", Org: "o"},
		"with a subject too long": {Subject: parley.PrincipalID(strings.Repeat("u", 257)), Org: "o"},
	} {
		if token, err := keys.Mint(c); err == nil {
			t.Errorf("%s: minted %d bytes", name, len(token))
		}
	}
}

func TestAMessagingToken(t *testing.T) {
	keys := openKeys(t)
	a := newAuthenticator(t, auth.Config{Keys: keys})
	access := authenticate(t, a, mint(t, keys, auth.Claims{Subject: "u", Org: "o", Scopes: []parley.Scope{}, TTL: time.Hour}))

	token, expires, err := keys.MintMessaging(access, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // usable more than once
		p := authenticate(t, a, token)
		if p.Class != parley.ClassMessaging || p.Scopes != access.Scopes || p.Credential != access.Credential {
			t.Errorf("got %+v, want the same principal with class messaging", p)
		}
		if !p.ExpiresAt.Equal(expires) {
			t.Errorf("says %s, token says %s", expires, p.ExpiresAt)
		}
	}
	if left := time.Until(expires); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("lives for %s, want 15 minutes", left)
	}

	access.ExpiresAt = time.Now().Add(3 * time.Minute)
	if _, expires, err = keys.MintMessaging(access, time.Hour); err != nil || expires.After(access.ExpiresAt) {
		t.Errorf("expires %s (%v), after its access token", expires, err)
	}
	access.ExpiresAt = time.Now().Add(-time.Second)
	if _, _, err = keys.MintMessaging(access, 0); !errors.Is(err, &parley.Error{Code: parley.CodeUnauthenticated}) {
		t.Errorf("minted for an expired credential: %v", err)
	}
}

// secret is shared with the issuer of the tests.
var secret = []byte("correct horse battery staple, as they say")

func shared() auth.Issuer {
	return auth.Issuer{Name: "https://id.example", Secret: secret, Audience: "vibing-api"}
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// theirs are the claims of a token of the shared issuer, with changes.
func theirs(changes jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iss": "https://id.example", "aud": "vibing-api", "sub": "u1", "org": "org_demo",
		"exp": time.Now().Add(time.Hour).Unix(),
	}
	for k, v := range changes {
		if v == nil {
			delete(claims, k)
			continue
		}
		claims[k] = v
	}
	return claims
}

func TestAnIssuersTokenIsRead(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Keys: openKeys(t), Issuers: []auth.Issuer{shared()}})
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		check  func(p *parley.Principal) bool
	}{
		"with its bare claims":     {nil, func(p *parley.Principal) bool { return p.Scopes == parley.UserScopes && p.Credential == "" }},
		"with a scope string":      {jwt.MapClaims{"scope": "org:read nonsense"}, func(p *parley.Principal) bool { return p.Scopes == parley.NewScopes("org:read") }},
		"with a scope list":        {jwt.MapClaims{"scope": []string{"read:memory"}}, func(p *parley.Principal) bool { return p.Scopes == parley.NewScopes("memory:read") }},
		"with permissions":         {jwt.MapClaims{"permissions": []string{"memory:read:own;purpose=x;ttl=1h"}}, func(p *parley.Principal) bool { return p.Scopes == parley.NewScopes("memory:read") }},
		"with an empty scope":      {jwt.MapClaims{"scope": ""}, func(p *parley.Principal) bool { return p.Scopes == parley.Scopes{} }},
		"with metadata":            {jwt.MapClaims{"metadata": map[string]string{"name": "Bo", "email": "bo@example.com"}}, func(p *parley.Principal) bool { return p.Name == "Bo" && p.Email == "bo@example.com" }},
		"with a list of audiences": {jwt.MapClaims{"aud": []string{"else", "vibing-api"}}, func(p *parley.Principal) bool { return p.Class == parley.ClassAccess }},
		"with a name cut short":    {jwt.MapClaims{"name": strings.Repeat("é", 200)}, func(p *parley.Principal) bool { return p.Name == strings.Repeat("é", 128) }},
		"with a clock 3 s behind":  {jwt.MapClaims{"exp": time.Now().Add(-3 * time.Second).Unix()}, func(p *parley.Principal) bool { return p.ID == "u1" }},
		"with a clock 3 s ahead":   {jwt.MapClaims{"nbf": time.Now().Add(3 * time.Second).Unix()}, func(p *parley.Principal) bool { return p.ID == "u1" }},
	} {
		t.Run(name, func(t *testing.T) {
			p := authenticate(t, a, sign(t, jwt.SigningMethodHS256, secret, theirs(c.claims)))
			if !c.check(p) {
				t.Errorf("got %+v with scopes %v", p, p.Scopes.List())
			}
		})
	}
}

func TestAnIssuersTokenIsRefused(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Keys: openKeys(t), Issuers: []auth.Issuer{shared()}})
	for name, claims := range map[string]jwt.MapClaims{
		"expired":                       {"exp": time.Now().Add(-6 * time.Second).Unix()},
		"without exp":                   {"exp": nil},
		"with exp that is no number":    {"exp": "tomorrow"},
		"with exp beyond all calendars": {"exp": 1e15},
		"not yet valid":                 {"nbf": time.Now().Add(time.Minute).Unix()},
		"for another audience":          {"aud": "parley"},
		"for the messaging audience":    {"aud": "parley-messaging"},
		"without an audience":           {"aud": nil},
		"of an unknown issuer":          {"iss": "https://evil.example"},
		"without an issuer":             {"iss": nil},
		"that claims to be ours":        {"iss": "parley", "aud": "parley"},
		"without a subject":             {"sub": nil},
		"with an empty subject":         {"sub": ""},
		"with a subject that is a list": {"sub": []string{"u1"}},
		"without an org":                {"org": nil},
		"with an org that is a number":  {"org": 7},
		"with an unknown kind":          {"kind": "root"},
		"with scope that is a number":   {"scope": 7},
		"with scope of numbers":         {"scope": []int{7}},
		"with NUL in the subject":       {"sub": "u\x001"},
		"with a claim in another case":  {"sub": nil, "SUB": "u1"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, a, sign(t, jwt.SigningMethodHS256, secret, theirs(claims)), parley.CodeUnauthenticated)
		})
	}
}

func TestAnIssuerBoundToAnOrg(t *testing.T) {
	issuer := shared()
	issuer.Org = "org_demo"
	a := newAuthenticator(t, auth.Config{Issuers: []auth.Issuer{issuer}})
	for _, org := range []any{nil, "org_demo"} {
		if p := authenticate(t, a, sign(t, jwt.SigningMethodHS256, secret, theirs(jwt.MapClaims{"org": org}))); p.Org != "org_demo" {
			t.Errorf("org %q", p.Org)
		}
	}
	refused(t, a, sign(t, jwt.SigningMethodHS256, secret, theirs(jwt.MapClaims{"org": "org_other"})), parley.CodeUnauthenticated)
}

func TestTheAlgorithmIsTheKeysNotTheTokens(t *testing.T) {
	keys := openKeys(t)
	der, err := x509.MarshalPKIXPublicKey(keys.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	ours := theirs(jwt.MapClaims{"iss": "parley", "aud": "parley"})
	a := newAuthenticator(t, auth.Config{Keys: keys, Issuers: []auth.Issuer{shared()}})
	for name, token := range map[string]string{
		"none as ours":                     sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, ours),
		"none as theirs":                   sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, theirs(nil)),
		"our public key as a secret":       sign(t, jwt.SigningMethodHS256, []byte(keys.Public()), ours),
		"our public key's PEM as a secret": sign(t, jwt.SigningMethodHS256, public, ours),
		"their secret, but our name":       sign(t, jwt.SigningMethodHS256, secret, ours),
		"their secret, another hash":       sign(t, jwt.SigningMethodHS512, secret, theirs(nil)),
		"another Ed25519 key":              sign(t, jwt.SigningMethodEdDSA, stranger, ours),
		"Ed25519 with their name":          sign(t, jwt.SigningMethodEdDSA, stranger, theirs(nil)),
		"another secret":                   sign(t, jwt.SigningMethodHS256, append([]byte("x"), secret...), theirs(nil)),
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, token, parley.CodeUnauthenticated) })
	}
}

func TestATamperedTokenIsRefused(t *testing.T) {
	keys := openKeys(t)
	a := newAuthenticator(t, auth.Config{Keys: keys})
	token := mint(t, keys, ana)
	authenticate(t, a, token)
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	claims, _ := base64.RawURLEncoding.DecodeString(payload)
	admin := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), "user_ana", "user_bob", 1)))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"../../etc/passwd"}`))
	for name, tampered := range map[string]string{
		"other claims":       header + "." + admin + "." + signature,
		"no signature":       header + "." + payload + ".",
		"no third part":      header + "." + payload,
		"a header of none":   none + "." + payload + ".",
		"another kid":        other + "." + payload + "." + signature,
		"a signature cut":    token[:len(token)-2],
		"something appended": token + "A",
		"white space":        " " + token,
		"nothing":            "",
		"a word":             "token",
		"far too much":       token + strings.Repeat("A", 9000),
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, tampered, parley.CodeUnauthenticated) })
	}
}

func TestNewRefusesAnIssuer(t *testing.T) {
	keys := openKeys(t)
	for name, issuers := range map[string][]auth.Issuer{
		"without a name":        {{Secret: secret}},
		"with our own name":     {{Name: "parley", Secret: secret}},
		"with a short secret":   {{Name: "a", Secret: []byte("short")}},
		"with a PEM as secret":  {{Name: "a", Secret: []byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n")}},
		"for messaging tokens":  {{Name: "a", Secret: secret, Audience: "parley-messaging"}},
		"that is there already": {{Name: "a", Secret: secret}, {Name: "a", Secret: secret}},
	} {
		if _, err := auth.New(auth.Config{Keys: keys, Store: &memory{}, Issuers: issuers}); err == nil {
			t.Errorf("an issuer %s is accepted", name)
		} else if strings.Contains(err.Error(), string(secret)) {
			t.Errorf("an issuer %s: the error tells the secret", name)
		}
	}
	if _, err := auth.New(auth.Config{Keys: keys}); err == nil {
		t.Error("no store is accepted")
	}
}

func TestNobodySpeaksForAReservedSubject(t *testing.T) {
	keys, store := openKeys(t), &memory{}
	a := newAuthenticator(t, auth.Config{Keys: keys, Store: store, Reserved: []parley.PrincipalID{"demo"}})
	for _, kind := range []parley.PrincipalKind{"", parley.KindAgent, parley.KindService} {
		refused(t, a, mint(t, keys, auth.Claims{Subject: "demo", Org: "org_demo", Kind: kind}), parley.CodeUnauthenticated)
	}
	secret, key, err := auth.NewKey(parley.KeyID{1}, "org_demo", "back end", "demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.InsertKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	refused(t, a, secret, parley.CodeUnauthenticated)
	authenticate(t, a, mint(t, keys, auth.Claims{Subject: "demonstrator", Org: "org_demo"}))
}

func TestATokenExpiresInTheCacheToo(t *testing.T) {
	keys := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		a := newAuthenticator(t, auth.Config{Keys: keys})
		token := mint(t, keys, auth.Claims{Subject: "u", Org: "o", TTL: time.Minute})
		authenticate(t, a, token)
		time.Sleep(64 * time.Second) // fake time: within the leeway
		authenticate(t, a, token)
		time.Sleep(2 * time.Second)
		refused(t, a, token, parley.CodeUnauthenticated)
	})
}

func TestAPIKeys(t *testing.T) {
	store := &memory{}
	a := newAuthenticator(t, auth.Config{Store: store})
	secret, key, err := auth.NewKey(parley.KeyID{15: 1}, "org_demo", "billing", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(key.Hash), secret) || len(key.Hash) != 32 {
		t.Errorf("the store would keep %q", key.Hash)
	}
	refused(t, a, secret, parley.CodeUnauthenticated) // not stored yet, and that is not remembered
	if err := store.InsertKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}

	p := authenticate(t, a, secret)
	want := parley.Principal{
		Org: "org_demo", ID: parley.PrincipalID(key.ID.String()), Kind: parley.KindService, Name: "billing",
		Class: parley.ClassKey, Credential: key.ID.String(), Scopes: parley.NewScopes(auth.DefaultKeyScopes()...),
	}
	if *p != want {
		t.Errorf("got  %+v\nwant %+v", *p, want)
	}
	if !p.Can(parley.ScopeSystemPublish) || p.Can(parley.ScopeAdmin) {
		t.Errorf("scopes %v", p.Scopes.List())
	}

	before, _ := store.count()
	authenticate(t, a, secret)
	if after, _ := store.count(); after != before {
		t.Error("a verified key is looked up again")
	}
	for _, bad := range []string{"parley_key_", "parley_key_AAAA", secret + "A", secret[:len(secret)-1] + "!"} {
		refused(t, a, bad, parley.CodeUnauthenticated)
	}
	if after, _ := store.count(); after != before {
		t.Error("the store is asked for what cannot be a key")
	}
}

func TestNewKeyRefuses(t *testing.T) {
	for name, make := range map[string]func() error{
		"no org":           func() error { _, _, err := auth.NewKey(parley.KeyID{1}, "", "n", "", nil); return err },
		"no name":          func() error { _, _, err := auth.NewKey(parley.KeyID{1}, "o", "", "", nil); return err },
		"an unknown scope": func() error { _, _, err := auth.NewKey(parley.KeyID{1}, "o", "n", "", []parley.Scope{"x"}); return err },
	} {
		if make() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestWithTheStoreAwayNobodyNewIsLetIn(t *testing.T) {
	keys := openKeys(t)
	store := &memory{away: parley.ErrUnavailable}
	a := newAuthenticator(t, auth.Config{Keys: keys, Store: store})
	refused(t, a, mint(t, keys, ana), parley.CodeUnavailable)
	secret, _, err := auth.NewKey(parley.KeyID{1}, "o", "n", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, a, secret, parley.CodeUnavailable)
	refused(t, a, "not a token", parley.CodeUnauthenticated) // which needs no store
}

func TestOneCallerThatHangsUpDoesNotFailTheOthers(t *testing.T) {
	keys := openKeys(t)
	a := newAuthenticator(t, auth.Config{Keys: keys})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Authenticate(ctx, mint(t, keys, ana)); err != nil {
		t.Errorf("the poll took over the caller's context: %v", err)
	}
}

func BenchmarkAuthenticateKnown(b *testing.B) {
	keys := openKeys(b)
	a := newAuthenticator(b, auth.Config{Keys: keys})
	token := mint(b, keys, ana)
	b.ReportAllocs()
	for b.Loop() {
		authenticate(b, a, token)
	}
}
