package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

// A refresh token is the id of its login, which is no secret, a full stop, and in
// hex 16 random bytes that all tokens of the login have in common and 16 bytes of
// its own.
const (
	loginBytes   = 16
	secretBytes  = 32
	saltSize     = 16
	familyLength = 2*(loginBytes+secretBytes/2) + 1
	tokenLength  = 2*(loginBytes+secretBytes) + 1
)

var errRefresh = parley.Errorf(parley.CodeUnauthenticated, "the refresh token is not good; sign in again")

// random draws n bytes, in hex.
func (s *Service) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.Random, b); err != nil {
		return "", fmt.Errorf("draw random bytes: %w", err)
	}
	return hex.EncodeToString(b), nil
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// is reports whether a token is the one that a hash was kept of, if any was.
func is(hash []byte, token string) bool {
	return subtle.ConstantTimeCompare(hash, hashOf(token)) == 1
}

// successor is the token after one. Whoever has both this and the salt can make it;
// the store has the salt only.
func successor(token string, salt []byte) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(token))
	return token[:familyLength] + hex.EncodeToString(mac.Sum(nil)[:(tokenLength-familyLength)/2])
}

// had reports whether a token is one that a login ever had. What merely names the
// login is not: ids are told.
func had(l *parley.Login, token string) bool {
	return is(l.Hash, token) || is(l.Previous, token) || is(l.Family, token[:familyLength])
}

// loginOf reads the login that a token names, which may be none of its tokens.
func (s *Service) loginOf(ctx context.Context, token string) (*parley.Login, error) {
	id, _, ok := strings.Cut(token, ".")
	if !ok || len(token) != tokenLength || len(id) != 2*loginBytes || strings.Trim(id, "0123456789abcdef") != "" {
		return nil, errRefresh
	}
	l, err := s.Store.Login(ctx, id)
	if errors.Is(err, parley.ErrNotFound) {
		return nil, errRefresh
	}
	if err != nil {
		return nil, fmt.Errorf("find login: %w", err)
	}
	return l, nil
}

// begin signs a user in. ErrConflict where its password is no longer that of u.
func (s *Service) begin(ctx context.Context, u *parley.User) (*Session, error) {
	id, err := s.random(loginBytes)
	if err != nil {
		return nil, err
	}
	secret, err := s.random(secretBytes)
	if err != nil {
		return nil, err
	}
	token, now := id+"."+secret, s.now()
	l := &parley.Login{
		ID: id, Org: u.Org, User: u.ID, Family: hashOf(token[:familyLength]), Hash: hashOf(token), CreatedAt: now, RotatedAt: now, ExpiresAt: now.Add(s.RefreshTTL),
	}
	if err := s.Store.InsertLogin(ctx, l, u.Password, maxLogins); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return s.session(ctx, l, token)
}

// Refresh gives a new refresh token and a new access token for a refresh token that
// is good: once. Whoever comes with it again within Config.Reuse, before the new one
// was used, gets the same new one: an answer got lost, or two tabs asked at once.
// One that was used before that ends the login. That and whatever else is not good
// is CodeUnauthenticated; a guess ends nothing.
func (s *Service) Refresh(ctx context.Context, token string) (*Session, error) {
	l, err := s.loginOf(ctx, token)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if !now.Before(l.ExpiresAt) {
		return nil, errRefresh
	}
	if is(l.Hash, token) {
		session, err := s.rotate(ctx, l, token, now)
		if !errors.Is(err, parley.ErrConflict) {
			return session, err
		}
		// Another came first with the same token, or the user is disabled.
		if l, err = s.loginOf(ctx, token); err != nil {
			return nil, err
		}
	}
	if next := successor(token, l.Salt); is(l.Previous, token) && is(l.Hash, next) && now.Sub(l.RotatedAt) <= s.Reuse {
		return s.again(ctx, l, next)
	}
	if !had(l, token) {
		return nil, errRefresh
	}
	s.Logger.WarnContext(ctx, "a refresh token was used again, or by a disabled user: the login ends",
		"org", l.Org, "principal", l.User)
	if err := s.end(ctx, l); err != nil {
		return nil, err
	}
	return nil, errRefresh
}

// rotate makes the successor of a token the good one. ErrConflict where the token is
// no longer, or the user is disabled.
func (s *Service) rotate(ctx context.Context, l *parley.Login, token string, now time.Time) (*Session, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(s.Random, salt); err != nil {
		return nil, fmt.Errorf("draw random bytes: %w", err)
	}
	next := successor(token, salt)
	rotated := *l
	rotated.Family, rotated.Hash, rotated.Salt = hashOf(token[:familyLength]), hashOf(next), salt
	rotated.RotatedAt, rotated.ExpiresAt = now, now.Add(s.RefreshTTL)
	err := s.Store.RotateLogin(ctx, &rotated, l.Hash)
	switch {
	case errors.Is(err, parley.ErrNotFound):
		return nil, errRefresh
	case err != nil:
		return nil, fmt.Errorf("refresh: %w", err)
	}
	return s.session(ctx, l, next)
}

// again gives the token that another call made good, to a user who still may.
func (s *Service) again(ctx context.Context, l *parley.Login, next string) (*Session, error) {
	u, err := s.Store.User(ctx, l.Org, l.User)
	if errors.Is(err, parley.ErrNotFound) || err == nil && !u.DisabledAt.IsZero() {
		return nil, errRefresh
	}
	if err != nil {
		return nil, fmt.Errorf("refresh: %w", err)
	}
	return s.session(ctx, l, next)
}

// session is what the holder of a login gets.
func (s *Service) session(ctx context.Context, l *parley.Login, refresh string) (*Session, error) {
	who := &parley.Principal{
		Org: l.Org, ID: l.User, Kind: parley.KindUser, Class: parley.ClassAccess, Credential: l.ID, Scopes: parley.UserScopes,
	}
	if err := s.Store.Seen(ctx, []parley.LastSeen{{Org: l.Org, Principal: l.User, At: s.now()}}); err != nil {
		// Nobody is kept out for it: the refresh token that came is used up by now.
		s.Logger.WarnContext(ctx, "when somebody was last there could not be kept", "org", l.Org, "err", err)
	}
	account, err := s.Me(ctx, who)
	if err != nil {
		return nil, err
	}
	who.Name, who.Email = account.Name, account.Email
	access, _, err := s.Mint(who, s.AccessTTL)
	if err != nil {
		return nil, fmt.Errorf("mint access token: %w", err)
	}
	return &Session{User: account, AccessToken: access, RefreshToken: refresh, ExpiresIn: s.AccessTTL}, nil
}

// end ends a login and what came of it. The access tokens go first: whoever tries
// again after a failure between the two still finds the login.
func (s *Service) end(ctx context.Context, l *parley.Login) error {
	if err := s.revoke(ctx, l.Org, l.ID); err != nil {
		return fmt.Errorf("end login: %w", err)
	}
	if err := s.Store.DeleteLogin(ctx, l.ID); err != nil {
		return fmt.Errorf("end login: %w", err)
	}
	return nil
}

// revoke ends the access tokens of a login. Whoever was just refreshing may get one
// more, within the time that a request has.
func (s *Service) revoke(ctx context.Context, org parley.OrgID, login string) error {
	return s.Revoke(ctx, org, login, s.now().Add(s.AccessTTL+time.Minute))
}

// LogoutToken ends the login that a refresh token is or was of. One that is nobody's
// ends nothing, which is no error: the caller is signed out. known reports which.
func (s *Service) LogoutToken(ctx context.Context, token string) (known bool, err error) {
	l, err := s.loginOf(ctx, token)
	if err == errRefresh || err == nil && !had(l, token) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, s.end(ctx, l)
}

// Logout ends the login that who came by. Who came otherwise, by an API key or
// another issuer's token, has none, which is no error.
func (s *Service) Logout(ctx context.Context, who *parley.Principal) error {
	if who.Class != parley.ClassAccess || who.Credential == "" {
		return nil
	}
	l, err := s.Store.Login(ctx, who.Credential)
	switch {
	case errors.Is(err, parley.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("log out: %w", err)
	case l.Org != who.Org || l.User != who.ID:
		return nil // another issuer's token that happens to name it
	}
	return s.end(ctx, l)
}
