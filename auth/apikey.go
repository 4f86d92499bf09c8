package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

// KeyPrefix begins every API key, so that one that leaked is easy to search for.
const KeyPrefix = "parley_key_"

const keyBytes = 32 // random bytes of an API key

// NewKey makes an API key: the secret, to be shown once, and what the store
// keeps of it. With an empty by it acts under the name of its own id; with no
// scopes it has those of DefaultKeyScopes. An unusable org, name or by and an
// unknown scope are errors.
func NewKey(id parley.KeyID, org parley.OrgID, name string, by parley.PrincipalID, scopes []parley.Scope) (secret string, key *parley.APIKey, err error) {
	if by == "" {
		by = parley.PrincipalID(id.String())
	}
	if len(scopes) == 0 {
		scopes = DefaultKeyScopes()
	}
	for field, value := range map[string]string{"org": string(org), "name": name, "principal": string(by)} {
		if err := checkID(field, value); err != nil {
			return "", nil, fmt.Errorf("make API key: %w", err)
		}
	}
	known := make([]parley.Scope, len(scopes))
	for i, s := range scopes {
		var ok bool
		if known[i], ok = parley.ParseScope(string(s)); !ok {
			return "", nil, fmt.Errorf("make API key: there is no scope %q", s)
		}
	}
	raw := make([]byte, keyBytes)
	rand.Read(raw) // never fails
	secret = KeyPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return secret, &parley.APIKey{
		ID: id, Org: org, Name: name, Principal: by, Scopes: known,
		Hash: hashKey(secret), CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}, nil
}

// DefaultKeyScopes is what an API key may do where nothing is said: what a user
// may, and to publish what comes from services.
func DefaultKeyScopes() []parley.Scope {
	return append(parley.UserScopes.List(), parley.ScopeSystemPublish)
}

// hashKey is what the store finds a key by. A key holds 256 random bits: one
// plain hash hides it, and looking it up by the hash tells a guesser nothing.
func hashKey(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// wellFormedKey spares the store what cannot be a key.
func wellFormedKey(token string) bool {
	rest, ok := strings.CutPrefix(token, KeyPrefix)
	if !ok {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	return err == nil && len(raw) == keyBytes
}

func keyPrincipal(k *parley.APIKey) *parley.Principal {
	return &parley.Principal{
		Org: k.Org, ID: k.Principal, Kind: parley.KindService, Name: k.Name,
		Class: parley.ClassKey, Credential: k.ID.String(), Scopes: parley.NewScopes(k.Scopes...),
	}
}
