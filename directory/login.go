package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-chat/parley"
)

// A refresh token is the id of its login, which is no secret, a full stop, and 32
// random bytes in hex.
const (
	loginBytes  = 16
	secretBytes = 32
	maxRefresh  = 2*(loginBytes+secretBytes) + 1
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

// refreshToken makes a token of a login, and the hash that is kept of it.
func (s *Service) refreshToken(login string) (token string, hash []byte, err error) {
	secret, err := s.random(secretBytes)
	if err != nil {
		return "", nil, err
	}
	token = login + "." + secret
	return token, hashOf(token), nil
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// loginOf reads the login a refresh token names; the token may be any of its.
func (s *Service) loginOf(ctx context.Context, token string) (*parley.Login, error) {
	id, _, ok := strings.Cut(token, ".")
	if !ok || len(token) != maxRefresh || len(id) != 2*loginBytes || strings.Trim(id, "0123456789abcdef") != "" {
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
	token, hash, err := s.refreshToken(id)
	if err != nil {
		return nil, err
	}
	now := s.now()
	l := &parley.Login{
		ID: id, Org: u.Org, User: u.ID, Hash: hash, CreatedAt: now, RotatedAt: now, ExpiresAt: now.Add(s.RefreshTTL),
	}
	if err := s.Store.InsertLogin(ctx, l, u.Password, maxLogins); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return s.session(ctx, l, token)
}

// Refresh gives a new refresh token and a new access token for a refresh token
// that is good: once. One that was used before ends the login; that and any other
// that is not good is CodeUnauthenticated.
func (s *Service) Refresh(ctx context.Context, token string) (*Session, error) {
	l, err := s.loginOf(ctx, token)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if !now.Before(l.ExpiresAt) {
		return nil, errRefresh
	}
	next, hash, err := s.refreshToken(l.ID)
	if err != nil {
		return nil, err
	}
	err = s.Store.RotateLogin(ctx, l.ID, hashOf(token), hash, now, now.Add(s.RefreshTTL))
	switch {
	case errors.Is(err, parley.ErrConflict):
		s.Logger.WarnContext(ctx, "a refresh token was used again, or by a disabled user: the login ends",
			"org", l.Org, "principal", l.User)
		if err := s.end(ctx, l); err != nil {
			return nil, err
		}
		return nil, errRefresh
	case errors.Is(err, parley.ErrNotFound):
		return nil, errRefresh
	case err != nil:
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
	if err := s.Revoke(ctx, l.Org, l.ID); err != nil {
		return fmt.Errorf("end login: %w", err)
	}
	if err := s.Store.DeleteLogin(ctx, l.ID); err != nil {
		return fmt.Errorf("end login: %w", err)
	}
	return nil
}

// LogoutToken ends the login of a refresh token. One that is not good has none,
// which is no error: the caller is signed out.
func (s *Service) LogoutToken(ctx context.Context, token string) error {
	l, err := s.loginOf(ctx, token)
	if err == errRefresh {
		return nil
	}
	if err != nil {
		return err
	}
	return s.end(ctx, l)
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
