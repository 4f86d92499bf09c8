package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
)

// Config is what an Authenticator is made of.
type Config struct {
	// Keys is our own signing key; nil: there are no tokens of our own.
	Keys *Keys
	// Issuers are others whose tokens are accepted; told apart by name.
	Issuers []Issuer
	// Store remembers API keys and what was revoked. Required.
	Store parley.Credentials
	// Reserved are the subjects that no credential of any org may speak for: agents
	// that live in this process are in everybody's conversations, and who comes under
	// the name of one would hear and read them all.
	Reserved []parley.PrincipalID
	// CacheSize is how many verified credentials are remembered; zero: 16384.
	CacheSize int
	// Log is told when the store stops and begins to answer again; nil: nowhere.
	Log *slog.Logger
}

// keyLifetime bounds how long an API key is believed without asking the store.
const keyLifetime = time.Minute

// Authenticator tells who a token speaks for. All methods may be called
// concurrently.
type Authenticator struct {
	verifier *verifier
	reserved []parley.PrincipalID
	store    parley.Credentials
	cache    *cache
	log      *slog.Logger

	// polling is held while the store is asked for revocations; it comes before mu.
	polling sync.Mutex

	mu        sync.Mutex
	revoked   map[credential]time.Time // until when that is worth something; zero: for ever
	polled    time.Time                // when the last poll that succeeded began; zero before the first
	listed    time.Time                // when the last that read the whole list did
	failed    time.Time                // when the last poll failed, and why; zero after a success
	failure   error
	listeners map[*listener]bool
	bus       parley.Bus // of Share; nil: nobody is told
	news      []news     // what the others are told, the oldest first

	// known is up to when it is known what was revoked; nil until the store's whole
	// list has been read. Written under mu.
	known atomic.Pointer[time.Time]

	down bool // Watch has told the log that the store is away; Watch's own
}

var _ parley.Authenticator = (*Authenticator)(nil)

// New makes an Authenticator. A configuration that would accept what it should
// not is an error. Run Watch beside it.
func New(c Config) (*Authenticator, error) {
	if c.Store == nil {
		return nil, errors.New("auth: there is no store")
	}
	v, err := newVerifier(c.Keys, c.Issuers)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	if c.CacheSize <= 0 {
		c.CacheSize = 16384
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Authenticator{
		verifier: v, reserved: c.Reserved, store: c.Store, cache: newCache(c.CacheSize), log: c.Log,
		revoked: map[credential]time.Time{}, listeners: map[*listener]bool{},
	}, nil
}

// Authenticate implements parley.Authenticator. Whatever is wrong with a token,
// the client is told the same sentence; why is in the error's cause. While it is
// not known what has been revoked nobody is let in: CodeUnavailable. All who come
// with a token may get the same Principal, which is not to be changed.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (*parley.Principal, error) {
	if token == "" || len(token) > maxToken {
		return nil, unauthenticated(errors.New("the token is empty or too long"))
	}
	hash := sha256.Sum256([]byte(token))
	p, known := a.cache.get(hash, time.Now())
	if !known {
		found, until, err := a.verify(ctx, token)
		if err != nil {
			return nil, err
		}
		if slices.Contains(a.reserved, found.ID) {
			return nil, unauthenticated(errors.New("the subject is one of this server's own agents"))
		}
		p = found
		// Remembered before the revocations are looked at, so that one that comes
		// between finds it.
		a.cache.put(hash, p, until)
	}
	if err := a.refresh(ctx); err != nil {
		return nil, unavailable(err)
	}
	if a.Revoked(p.Org, p.Credential) {
		return nil, unauthenticated(errors.New("the credential was revoked"))
	}
	return p, nil
}

// verify looks at the credential itself; until is how long the answer holds.
func (a *Authenticator) verify(ctx context.Context, token string) (p *parley.Principal, until time.Time, err error) {
	if strings.HasPrefix(token, KeyPrefix) {
		p, err = a.verifyKey(ctx, token)
		return p, time.Now().Add(keyLifetime), err
	}
	if p, err = a.verifier.verify(token); err != nil {
		return nil, time.Time{}, unauthenticated(err)
	}
	return p, p.ExpiresAt.Add(leeway), nil
}

func (a *Authenticator) verifyKey(ctx context.Context, token string) (*parley.Principal, error) {
	if !wellFormedKey(token) {
		return nil, unauthenticated(errors.New("the API key is not well formed"))
	}
	k, err := a.store.KeyByHash(ctx, hashKey(token))
	switch {
	case errors.Is(err, parley.ErrNotFound):
		return nil, unauthenticated(errors.New("there is no such API key"))
	case err != nil:
		return nil, unavailable(fmt.Errorf("find API key: %w", err))
	case !k.RevokedAt.IsZero():
		return nil, unauthenticated(errors.New("the API key was revoked"))
	}
	return keyPrincipal(k), nil
}

// unauthenticated is the one answer to every bad credential: which check it
// failed is nobody's business but the operator's.
func unauthenticated(cause error) *parley.Error {
	return &parley.Error{Code: parley.CodeUnauthenticated, Message: parley.CodeUnauthenticated.Spec().Doc, Err: cause}
}

func unavailable(cause error) *parley.Error {
	return &parley.Error{
		Code: parley.CodeUnavailable, Message: "the service is not available at the moment",
		RetryAfter: time.Second, Err: cause,
	}
}
