package directory_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/directory"
	"github.com/parley-chat/parley/store/sqlite"
)

// cheap is a hash that does not slow the tests down.
var cheap = directory.Cost{MemoryKiB: 8, Passes: 1, Threads: 1}

// office is a directory with a store behind it, a clock and a log to look at.
type office struct {
	*directory.Service
	t     *testing.T
	store *sqlite.Store
	log   bytes.Buffer

	mu      sync.Mutex
	now     time.Time
	minted  []parley.Principal
	revoked []string
	fail    error // of Revoke
}

func open(t *testing.T, changes ...func(*directory.Config)) *office {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "parley.db"), Synchronous: sqlite.SyncNormal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	o := &office{t: t, store: store, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	c := directory.Config{
		Store: store, Org: "org_demo", Open: true, Cost: cheap,
		Mint: func(p *parley.Principal, ttl time.Duration) (string, time.Time, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.minted = append(o.minted, *p)
			return "access-of-" + string(p.ID), o.now.Add(ttl), nil
		},
		Revoke: func(_ context.Context, _ parley.OrgID, credential string, until time.Time) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.revoked = append(o.revoked, credential)
			if life := until.Sub(o.now); life < 15*time.Minute || life > 20*time.Minute {
				t.Errorf("what lives for 15 minutes is revoked for %s", life)
			}
			return o.fail
		},
		Now:    func() time.Time { o.mu.Lock(); defer o.mu.Unlock(); return o.now },
		Logger: slog.New(slog.NewTextHandler(&o.log, nil)),
	}
	for _, change := range changes {
		change(&c)
	}
	if o.Service, err = directory.New(c); err != nil {
		t.Fatal(err)
	}
	return o
}

const password = "correct horse"

// join signs Ada up.
func (o *office) join() *directory.Session {
	o.t.Helper()
	s, err := o.SignUp(o.t.Context(), nil, directory.NewUser{Email: " Ada@Example.com ", Password: password, Name: "Ada"})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *office) login() *directory.Session {
	o.t.Helper()
	s, err := o.Login(o.t.Context(), "ada@example.com", password)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// holder is who the access token minted last speaks for.
func (o *office) holder() *parley.Principal {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &o.minted[len(o.minted)-1]
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

// refused fails unless err has the code.
func refused(t *testing.T, err error, code parley.Code) {
	t.Helper()
	if err == nil || parley.AsError(err).Code != code {
		t.Fatalf("error is %v, want %s", err, code)
	}
}

func TestWhoSignsUpIsSignedIn(t *testing.T) {
	o := open(t)
	s := o.join()
	if s.User.Email != "ada@example.com" || s.User.Name != "Ada" || s.User.Org != "org_demo" || !strings.HasPrefix(string(s.User.ID), "user_") {
		t.Errorf("account is %+v", s.User)
	}
	if s.ExpiresIn != 15*time.Minute || s.AccessToken != "access-of-"+string(s.User.ID) {
		t.Errorf("session is %+v", s)
	}
	p := o.holder()
	if p.Kind != parley.KindUser || p.Scopes != parley.UserScopes || p.Credential == "" || p.Name != "Ada" || p.Email != "ada@example.com" {
		t.Errorf("the token speaks for %+v", p)
	}
	if again := o.login(); again.User.ID != s.User.ID || again.RefreshToken == s.RefreshToken {
		t.Errorf("another session is %+v", again)
	}
}

// The store and the log have neither password nor tokens.
func TestSecretsAreKeptNowhere(t *testing.T) {
	o := open(t)
	s := o.join()
	u, err := o.store.User(t.Context(), s.User.Org, s.User.ID)
	if err != nil || !strings.HasPrefix(u.Password, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(u.Password, password) {
		t.Errorf("stored %q, %v", u.Password, err)
	}
	_, _ = o.Login(t.Context(), "ada@example.com", "wrong password")
	_, _ = o.Refresh(t.Context(), s.RefreshToken)
	o.pass(time.Hour)
	_, _ = o.Refresh(t.Context(), s.RefreshToken)
	if o.log.Len() == 0 {
		t.Error("the log does not tell of a token that was used again")
	}
	for _, secret := range []string{password, "wrong password", s.RefreshToken, strings.Split(s.RefreshToken, ".")[1]} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestWhoMaySignUp(t *testing.T) {
	admin := &parley.Principal{Org: "org_b", ID: "root", Kind: parley.KindUser, Scopes: parley.NewScopes(parley.ScopeAdmin)}
	key := &parley.Principal{Org: "org_b", ID: "svc", Kind: parley.KindService, Class: parley.ClassKey}
	agent := &parley.Principal{Org: "org_b", ID: "bot", Kind: parley.KindAgent, Class: parley.ClassKey}
	user := &parley.Principal{Org: "org_b", ID: "eve", Kind: parley.KindUser, Class: parley.ClassAccess, Scopes: parley.UserScopes}
	for _, c := range []struct {
		name string
		open bool
		by   *parley.Principal
		org  parley.OrgID // empty: refused
	}{
		{"anybody, where it is open", true, nil, "org_demo"},
		{"nobody, where it is closed", false, nil, ""},
		{"an API key, into its own org", false, key, "org_b"},
		{"an administrator, into its own org", false, admin, "org_b"},
		{"no user, where it is closed", false, user, ""},
		{"no agent, even by an API key", false, agent, ""},
		{"a user like anybody, where it is open", true, user, "org_demo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t, func(f *directory.Config) { f.Open = c.open })
			s, err := o.SignUp(t.Context(), c.by, directory.NewUser{Email: "a@b.example", Password: password})
			if c.org == "" {
				refused(t, err, parley.CodeForbidden)
				return
			}
			if err != nil || s.User.Org != c.org {
				t.Errorf("signed up %+v, %v", s, err)
			}
		})
	}
}

func TestWhatCannotBeSignedUp(t *testing.T) {
	o := open(t)
	o.join()
	for name, n := range map[string]directory.NewUser{
		"no e-mail":               {Password: password},
		"no address":              {Email: "ada", Password: password},
		"no domain":               {Email: "ada@", Password: password},
		"two addresses":           {Email: "ada@b.example,eve@b.example", Password: password},
		"two at signs":            {Email: "ada@b@c", Password: password},
		"white space":             {Email: "a da@b.example", Password: password},
		"U+0000":                  {Email: "ada\x00@b.example", Password: password},
		"not UTF-8":               {Email: "ada\xff@b.example", Password: password},
		"a long e-mail":           {Email: strings.Repeat("a", 250) + "@b.example", Password: password},
		"a short password":        {Email: "a@b.example", Password: "1234567"},
		"a long password":         {Email: "a@b.example", Password: strings.Repeat("x", 257)},
		"a name of two lines":     {Email: "a@b.example", Password: password, Name: "a\nb"},
		"a name that is too long": {Email: "a@b.example", Password: password, Name: strings.Repeat("x", 257)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := o.SignUp(t.Context(), nil, n)
			refused(t, err, parley.CodeInvalidArgument)
		})
	}
	_, err := o.SignUp(t.Context(), nil, directory.NewUser{Email: "ADA@example.com", Password: password})
	refused(t, err, parley.CodeConflict)
}

func TestWrongLoginsAreAllTheSame(t *testing.T) {
	o := open(t)
	u := o.join().User
	texts := map[string]bool{}
	for _, c := range [][2]string{
		{"ada@example.com", "wrong password"}, {"nobody@example.com", password}, {"", ""}, {"no address", password},
		{"ada@example.com", ""}, {"ada@example.com", strings.Repeat("x", 1<<16)}, {"\x00@\xff", "\x00"},
	} {
		_, err := o.Login(t.Context(), c[0], c[1])
		refused(t, err, parley.CodeUnauthenticated)
		texts[err.Error()] = true
	}
	stored, err := o.store.User(t.Context(), u.Org, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	stored.DisabledAt = o.now
	if _, err := o.store.UpdateUser(t.Context(), stored, stored.Password, ""); err != nil {
		t.Fatal(err)
	}
	_, err = o.Login(t.Context(), "ada@example.com", password)
	refused(t, err, parley.CodeUnauthenticated)
	texts[err.Error()] = true
	if len(texts) != 1 {
		t.Errorf("they differ: %v", texts)
	}
}

// Whoever guesses for one e-mail has to wait, from whatever addresses; whether
// somebody has it does not show.
func TestGuessesForOneEmailAreLimited(t *testing.T) {
	o := open(t, func(c *directory.Config) { c.Guesses, c.GuessEvery = 3, time.Minute })
	o.join()
	me := *o.holder()
	texts := map[string]bool{}
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		for range 3 {
			_, err := o.Login(t.Context(), email, "wrong password")
			refused(t, err, parley.CodeUnauthenticated)
		}
		_, err := o.Login(t.Context(), " "+strings.ToUpper(email), password)
		refused(t, err, parley.CodeRateLimited)
		if wait := parley.AsError(err).RetryAfter; wait != time.Minute {
			t.Errorf("%s: wait %s, want a minute", email, wait)
		}
		texts[err.Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("they differ: %v", texts)
	}
	refused(t, o.ChangePassword(t.Context(), &me, "wrong password", "battery staple"), parley.CodeRateLimited)
	if _, err := o.SignUp(t.Context(), nil, directory.NewUser{Email: "bob@example.com", Password: password}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Login(t.Context(), "bob@example.com", password); err != nil {
		t.Errorf("another waits too: %v", err)
	}
	o.pass(time.Minute)
	o.login()
	refused(t, o.ChangePassword(t.Context(), &me, "wrong password", "battery staple"), parley.CodeUnauthenticated)
	_, err := o.Login(t.Context(), "ada@example.com", password)
	refused(t, err, parley.CodeRateLimited)
}

// Those who guess at once are let in no more often than one after the other: they wait
// for their turn to have a password hashed, and are asked again then.
func TestGuessesAtOnceAreLimitedToo(t *testing.T) {
	o := open(t, func(c *directory.Config) {
		c.Guesses, c.GuessEvery, c.AtOnce = 3, time.Minute, 1
		c.Cost = directory.Cost{MemoryKiB: 8 << 10, Passes: 2, Threads: 1} // none is through before all have come
	})
	var all sync.WaitGroup
	var tried atomic.Int64
	for range 50 {
		all.Go(func() {
			_, err := o.Login(t.Context(), "ada@example.com", "wrong password")
			if parley.AsError(err).Code == parley.CodeUnauthenticated {
				tried.Add(1)
			}
		})
	}
	all.Wait()
	if n := tried.Load(); n < 3 || n > 10 { // one may begin before the last is counted
		t.Errorf("%d passwords were tried at once", n)
	}
}

// Who signs in often is never slowed down.
func TestGoodPasswordsAreNotLimited(t *testing.T) {
	o := open(t, func(c *directory.Config) { c.Guesses = 1 })
	o.join()
	for range 5 {
		o.login()
	}
}

func TestProfile(t *testing.T) {
	o := open(t)
	o.join()
	name, bio, picture, job, language := "Lady Ada", "Numbers.\nEngines.", "https://a.example/1.png", "Countess", "en-GB"
	a, err := o.UpdateProfile(t.Context(), o.holder(), directory.ProfileChange{
		Name: &name, Bio: &bio, AvatarURL: &picture, JobTitle: &job, Language: &language,
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (parley.Profile{Name: name, Bio: bio, AvatarURL: picture, JobTitle: job, Language: language}); a.Profile != want {
		t.Errorf("profile is %+v, want %+v", a.Profile, want)
	}
	empty := ""
	if a, err = o.UpdateProfile(t.Context(), o.holder(), directory.ProfileChange{Bio: &empty}); err != nil || a.Bio != "" || a.JobTitle != job {
		t.Errorf("profile is %+v, %v", a, err)
	}
	o.login()
	if got := o.holder().Name; got != name {
		t.Errorf("the next token says %q", got)
	}
	for field, text := range map[string]string{
		"name": "a\x00b", "bio": strings.Repeat("x", 2049), "avatar": "javascript:alert(1)", "relative": "/x.png",
		"with a password": "https://a:b@c.example/", "language": "de_CH; drop", "long language": strings.Repeat("a-", 20) + "a",
	} {
		t.Run(field, func(t *testing.T) {
			c := directory.ProfileChange{}
			switch field {
			case "name":
				c.Name = &text
			case "bio":
				c.Bio = &text
			case "language", "long language":
				c.Language = &text
			default:
				c.AvatarURL = &text
			}
			_, err := o.UpdateProfile(t.Context(), o.holder(), c)
			refused(t, err, parley.CodeInvalidArgument)
		})
	}
}

// Whoever came with another issuer's token has a profile too.
func TestProfileOfAStranger(t *testing.T) {
	o := open(t)
	who := &parley.Principal{Org: "org_demo", ID: "auth0|eve", Kind: parley.KindUser, Name: "Eve", Email: "eve@id.example"}
	a, err := o.Me(t.Context(), who)
	if err != nil || a.Name != "Eve" || a.Email != "eve@id.example" || !a.CreatedAt.IsZero() {
		t.Errorf("account is %+v, %v", a, err)
	}
	bio := "hi"
	if a, err = o.UpdateProfile(t.Context(), who, directory.ProfileChange{Bio: &bio}); err != nil || a.Bio != bio || a.Name != "Eve" {
		t.Errorf("account is %+v, %v", a, err)
	}
	refused(t, o.ChangePassword(t.Context(), who, password, password), parley.CodeForbidden)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := directory.Config{
		Store: (*sqlite.Store)(nil), Org: "org",
		Mint:   func(*parley.Principal, time.Duration) (string, time.Time, error) { return "", time.Time{}, nil },
		Revoke: func(context.Context, parley.OrgID, string, time.Time) error { return nil },
	}
	if _, err := directory.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*directory.Config){
		"no store":      func(c *directory.Config) { c.Store = nil },
		"no org":        func(c *directory.Config) { c.Org = "" },
		"no minter":     func(c *directory.Config) { c.Mint = nil },
		"no revoker":    func(c *directory.Config) { c.Revoke = nil },
		"a cost of 0":   func(c *directory.Config) { c.Cost = directory.Cost{MemoryKiB: 8} },
		"a negative at": func(c *directory.Config) { c.AtOnce = -1 },
		"no guesses":    func(c *directory.Config) { c.Guesses = -1 },
		"reuse before":  func(c *directory.Config) { c.Reuse = -time.Second },
	} {
		c := good
		change(&c)
		if _, err := directory.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

var errAway = errors.New("away")
