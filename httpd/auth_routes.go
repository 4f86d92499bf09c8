package httpd

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/directory"
)

// The /auth routes of the chat surface (contracts.md 4.2). Where users come from
// another issuer there is no directory, and each of them says so.

var errNoDirectory = parley.Errorf(parley.CodeNotFound, "this server has no users of its own: sign in with the issuer it trusts")

// tenant is an org; it has no other name than its id.
type tenant struct {
	ID   parley.OrgID `json:"id"`
	Name string       `json:"name"`
}

// authUser is somebody with what only it may know of itself.
type authUser struct {
	ID          parley.PrincipalID `json:"id"`
	Email       string             `json:"email"`
	TenantID    parley.OrgID       `json:"tenant_id"`
	DisplayName string             `json:"display_name"`
	Bio         *string            `json:"bio"`
	AvatarURL   *string            `json:"avatar_url"`
	JobTitle    *string            `json:"job_title"`
	Language    *string            `json:"language"`
	CreatedAt   *stamp             `json:"created_at"`
}

type signedIn struct {
	User         authUser `json:"user"`
	Tenant       tenant   `json:"tenant"`
	AccessToken  string   `json:"access_token"`
	RefreshToken string   `json:"refresh_token"`
	TokenType    string   `json:"token_type"` // always Bearer
	ExpiresIn    int      `json:"expires_in"` // seconds
}

type whoAmI struct {
	User   authUser `json:"user"`
	Tenant tenant   `json:"tenant"`
}

func authUserOf(a *directory.Account) authUser {
	return authUser{
		ID: a.ID, Email: a.Email, TenantID: a.Org, DisplayName: shownName(&a.Person),
		Bio: orNull(a.Bio), AvatarURL: orNull(a.AvatarURL), JobTitle: orNull(a.JobTitle), Language: orNull(a.Language),
		CreatedAt: stampOrNull(a.CreatedAt),
	}
}

func whoAmIOf(a *directory.Account) whoAmI {
	return whoAmI{authUserOf(a), tenant{a.Org, string(a.Org)}}
}

// guess carries out what tries a password or a token: an address that failed too
// often has to wait, as with any credential.
func (s *Server) guess(c *call, fn func() error) error {
	if s.Directory == nil {
		return errNoDirectory
	}
	if err := s.mayGuess(c.r); err != nil {
		return err
	}
	err := fn()
	if err != nil && parley.AsError(err).Code == parley.CodeUnauthenticated {
		s.guessedWrong(c.ctx, c.r, err)
	}
	return err
}

func (c *call) signedIn(status int, session *directory.Session) error {
	who := whoAmIOf(session.User)
	return c.reply(status, signedIn{
		User: who.User, Tenant: who.Tenant, AccessToken: session.AccessToken, RefreshToken: session.RefreshToken,
		TokenType: "Bearer", ExpiresIn: int(session.ExpiresIn / time.Second),
	})
}

// signUp makes a user. A credential is optional: with one that may, users are made
// where signing up is closed. Each try of whoever may not make users for others counts
// like a failure: it costs the server as much as a guess, and tells whether an
// e-mail is taken.
func (s *Server) signUp(c *call) error {
	return s.guess(c, func() error {
		var by *parley.Principal
		if credential(c.r) != "" {
			who, err := s.authenticate(c.ctx, c.r)
			if err != nil && !s.Directory.Open {
				return err
			}
			by = who
		}
		name := c.body.text("display_name")
		if short := c.body.text("name"); name == "" {
			name = short
		}
		n := directory.NewUser{Email: c.body.need("email"), Password: c.body.need("password"), Name: name}
		if c.body.err != nil {
			return c.body.err
		}
		if !directory.MayMakeUsers(by) && s.FailedAuth != nil {
			s.FailedAuth.Failed(s.policy.ClientAddr(c.r))
		}
		session, err := s.Directory.SignUp(c.ctx, by, n)
		if err != nil {
			return err
		}
		return c.signedIn(http.StatusCreated, session)
	})
}

func (s *Server) login(c *call) error {
	return s.guess(c, func() error {
		email, password := c.body.need("email"), c.body.need("password")
		if c.body.err != nil {
			return c.body.err
		}
		session, err := s.Directory.Login(c.ctx, email, password)
		if err != nil {
			return err
		}
		return c.signedIn(http.StatusOK, session)
	})
}

func (s *Server) refresh(c *call) error {
	return s.guess(c, func() error {
		token := c.body.need("refresh_token")
		if c.body.err != nil {
			return c.body.err
		}
		session, err := s.Directory.Refresh(c.ctx, token)
		if err != nil {
			return err
		}
		return c.signedIn(http.StatusOK, session)
	})
}

// logout ends the login of a refresh token, of the access token, or of both: one
// whose access token has expired can sign out all the same.
func (s *Server) logout(c *call) error {
	if s.Directory == nil {
		return errNoDirectory
	}
	token := c.body.text("refresh_token")
	if c.body.err != nil {
		return c.body.err
	}
	if token != "" {
		return s.logoutToken(c, token)
	}
	who, err := s.authenticate(c.ctx, c.r)
	if err != nil {
		return err
	}
	if err := s.Directory.Logout(c.ctx, who); err != nil {
		return err
	}
	return c.reply(http.StatusOK, empty{})
}

// logoutToken answers the same whether there was a login to end, and counts a guess
// where there was none.
func (s *Server) logoutToken(c *call, token string) error {
	if err := s.mayGuess(c.r); err != nil {
		return err
	}
	known, err := s.Directory.LogoutToken(c.ctx, token)
	if err != nil {
		return err
	}
	if !known {
		s.guessedWrong(c.ctx, c.r, errNoLogin)
	}
	return c.reply(http.StatusOK, empty{})
}

var errNoLogin = errors.New("the refresh token to log out with is nobody's")

func (s *Server) me(c *call) error {
	if s.Directory == nil {
		return errNoDirectory
	}
	a, err := s.Directory.Me(c.ctx, c.who)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, whoAmIOf(a))
}

// updateProfile changes the fields named; null and "" take one away.
func (s *Server) updateProfile(c *call) error {
	if s.Directory == nil {
		return errNoDirectory
	}
	change := directory.ProfileChange{
		Name: c.body.change("display_name"), Bio: c.body.change("bio"), AvatarURL: c.body.change("avatar_url"),
		JobTitle: c.body.change("job_title"), Language: c.body.change("language"),
	}
	if c.body.err != nil {
		return c.body.err
	}
	a, err := s.Directory.UpdateProfile(c.ctx, c.who, change)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, whoAmIOf(a))
}

// change is a string field that may be taken away: nil where it is absent, "" where
// it is null.
func (f *fields) change(key string) *string {
	if _, there := f.object[key]; !there {
		return nil
	}
	s := f.text(key)
	return &s
}

func (s *Server) changePassword(c *call) error {
	return s.guess(c, func() error {
		current, next := c.body.need("current_password"), c.body.need("new_password")
		if c.body.err != nil {
			return c.body.err
		}
		if err := s.Directory.ChangePassword(c.ctx, c.who, current, next); err != nil {
			return err
		}
		return c.reply(http.StatusOK, empty{})
	})
}

// mayGuess refuses an address that failed too often.
func (s *Server) mayGuess(r *http.Request) error {
	if s.FailedAuth == nil {
		return nil
	}
	wait, ok := s.FailedAuth.Allow(s.policy.ClientAddr(r))
	if ok {
		return nil
	}
	return &parley.Error{
		Code: parley.CodeRateLimited, Message: "too many failed authentications from this address; try again later",
		RetryAfter: wait,
	}
}

// guessedWrong counts a failure of an address.
func (s *Server) guessedWrong(ctx context.Context, r *http.Request, err error) {
	ip := s.policy.ClientAddr(r)
	s.metrics.failedAuth.Inc()
	s.Logger.InfoContext(ctx, "authentication failed", "ip", ip, "path", r.URL.Path, "err", err)
	if s.FailedAuth != nil {
		s.FailedAuth.Failed(ip)
	}
}
