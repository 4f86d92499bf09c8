package directory

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/attempts"
)

// Lifetimes and bounds where none are configured.
const (
	DefaultAccessTTL  = 15 * time.Minute
	DefaultRefreshTTL = 30 * 24 * time.Hour
	DefaultAtOnce     = 2
	// DefaultReuse is how long a lost answer can be asked for again.
	DefaultReuse = 30 * time.Second
	// DefaultGuesses and DefaultGuessEvery bound wrong passwords for one e-mail.
	DefaultGuesses    = 10
	DefaultGuessEvery = 30 * time.Second
	// maxLogins is how many logins of one user there are at most; the oldest go.
	maxLogins = 100
)

// Store is what the directory is kept in.
type Store interface {
	parley.Directory
	parley.People
}

// Config is what a Service is made of. Store, Mint, Revoke and Org must be set.
type Config struct {
	Store Store
	// Mint makes an access token for a user that lives for ttl, with the user's
	// Credential as what may be revoked.
	Mint func(user *parley.Principal, ttl time.Duration) (token string, expires time.Time, err error)
	// Revoke ends the access tokens of a credential, and their sockets. By until they
	// all have expired.
	Revoke func(ctx context.Context, org parley.OrgID, credential string, until time.Time) error
	// Org is the org of those who sign up by themselves.
	Org parley.OrgID
	// Open lets anybody sign up; else only an API key or an administrator makes users,
	// of its own org.
	Open bool

	AccessTTL  time.Duration // of an access token; zero: 15 min
	RefreshTTL time.Duration // of a refresh token that is not used; zero: 30 days
	Cost       Cost          // of new hashes; zero: DefaultCost
	AtOnce     int           // passwords hashed at once; zero: 2
	// Reuse is for how long a refresh token that was just used gets its answer again;
	// zero: 30 s.
	Reuse time.Duration
	// Guesses is how many wrong passwords there may be for one e-mail at once, on one
	// node, whether somebody has it or not; one more each time GuessEvery has passed.
	// Zero: 10, and 30 s.
	Guesses    int
	GuessEvery time.Duration

	Random io.Reader        // of salts, ids and tokens; nil: crypto/rand
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil discards
}

// Service is the directory. All methods may be called concurrently; their errors
// are for clients, as those of the engine.
type Service struct {
	Config
	hasher  *hasher
	nobodys string
	guesses *attempts.Limiter[[sha256.Size]byte] // by the hash of an e-mail
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Mint == nil || c.Revoke == nil || c.Org == "" {
		return nil, errors.New("directory: store, mint, revoke and org are needed")
	}
	if c.AccessTTL == 0 {
		c.AccessTTL = DefaultAccessTTL
	}
	if c.RefreshTTL == 0 {
		c.RefreshTTL = DefaultRefreshTTL
	}
	if c.Cost == (Cost{}) {
		c.Cost = DefaultCost
	}
	if c.AtOnce == 0 {
		c.AtOnce = DefaultAtOnce
	}
	c.Reuse, c.GuessEvery = cmp.Or(c.Reuse, DefaultReuse), cmp.Or(c.GuessEvery, DefaultGuessEvery)
	c.Guesses = cmp.Or(c.Guesses, DefaultGuesses)
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AccessTTL < 0 || c.RefreshTTL < 0 || c.AtOnce < 0 || !c.Cost.sane() {
		return nil, errors.New("directory: lifetimes, cost and hashes at once must be positive")
	}
	if c.Reuse < 0 || c.Guesses < 0 || c.GuessEvery < 0 {
		return nil, errors.New("directory: the time of reuse and the limits of guesses must be positive")
	}
	h := newHasher(c.Cost, c.AtOnce, c.Random)
	return &Service{
		Config: c, hasher: h, nobodys: h.nobodys(), guesses: attempts.New[[sha256.Size]byte](c.GuessEvery, c.Guesses),
	}, nil
}

// Session is what somebody gets who signed in: once, and nowhere is it kept.
type Session struct {
	User         *Account
	AccessToken  string
	RefreshToken string
	// ExpiresIn is how long the access token lives.
	ExpiresIn time.Duration
}

// Account is somebody with what the directory knows of it.
type Account struct {
	parley.Person
	CreatedAt time.Time // zero for who is known by another issuer's token only
}

// NewUser is who is to be signed up.
type NewUser struct {
	Email    string
	Password string
	Name     string // display name, may be empty
}

var (
	errWrong  = parley.Errorf(parley.CodeUnauthenticated, "the e-mail or the password is wrong")
	errClosed = parley.Errorf(parley.CodeForbidden, "signing up is closed here; ask who runs this server")
	errTaken  = &parley.Error{Code: parley.CodeConflict, Message: "there is a user with this e-mail", Field: "email"}
)

// MayMakeUsers reports whether somebody, nil for nobody, makes users of its own org,
// where signing up is closed too: an API key that is no agent's, or an
// administrator.
func MayMakeUsers(by *parley.Principal) bool {
	return by != nil && (by.Class == parley.ClassKey && by.Kind != parley.KindAgent || by.Can(parley.ScopeAdmin))
}

// SignUp makes a user and signs it in. by is who asks, nil for nobody: where
// signing up is closed it must be one who MayMakeUsers (CodeForbidden). The user of
// such a one belongs to its org. An e-mail that is taken is CodeConflict.
func (s *Service) SignUp(ctx context.Context, by *parley.Principal, n NewUser) (*Session, error) {
	org := s.Org
	switch {
	case MayMakeUsers(by):
		org = by.Org
	case !s.Open:
		return nil, errClosed
	}
	email, err := NormalEmail(n.Email)
	if err != nil {
		return nil, err
	}
	if err := checkPassword("password", n.Password); err != nil {
		return nil, err
	}
	change := ProfileChange{Name: &n.Name}
	if err := change.check(); err != nil {
		return nil, err
	}
	u := &parley.User{Org: org, Email: email, CreatedAt: s.now()}
	id, err := s.random(16)
	if err != nil {
		return nil, err
	}
	u.ID = parley.PrincipalID("user_" + id)
	if u.Password, err = s.hasher.hash(ctx, n.Password); err != nil {
		return nil, err
	}
	err = s.Store.InsertUser(ctx, u, n.Name)
	if errors.Is(err, parley.ErrConflict) {
		return nil, errTaken
	}
	if err != nil {
		return nil, fmt.Errorf("sign up: %w", err)
	}
	return s.begin(ctx, u)
}

// Login signs a user in. Whatever is wrong, the answer is the same sentence after
// the same time: CodeUnauthenticated. Too many of them for one e-mail, somebody's or
// not, and the next has to wait: CodeRateLimited.
func (s *Service) Login(ctx context.Context, email, password string) (*Session, error) {
	email, err := NormalEmail(email)
	if err != nil {
		return s.login(ctx, nil, password, nil)
	}
	return limited(s, email, func(may func() error) (*Session, error) {
		u, err := s.Store.UserByEmail(ctx, email)
		if err != nil && !errors.Is(err, parley.ErrNotFound) {
			return nil, fmt.Errorf("sign in: %w", err)
		}
		return s.login(ctx, u, password, may)
	})
}

// limited carries out what tries a password of an e-mail. try asks may once more when
// its turn has come: of those who came together, only as many as may fail.
func limited[T any](s *Service, email string, try func(may func() error) (T, error)) (result T, err error) {
	key := sha256.Sum256([]byte(email))
	may := func() error {
		wait, ok := s.guesses.Allow(key, s.Now())
		if ok {
			return nil
		}
		return &parley.Error{
			Code: parley.CodeRateLimited, Message: "too many wrong passwords for this e-mail; try again later", RetryAfter: wait,
		}
	}
	if err := may(); err != nil {
		return result, err
	}
	result, err = try(may)
	if err != nil && parley.AsError(err).Code == parley.CodeUnauthenticated {
		s.guesses.Failed(key, s.Now())
	}
	return result, err
}

// login signs in the user found, nil for none, if the password is its. may, nil for
// yes, is asked when it is tried.
func (s *Service) login(ctx context.Context, u *parley.User, password string, may func() error) (*Session, error) {
	hash := s.nobodys
	if u != nil {
		hash = u.Password
	}
	if len(password) > MaxPassword {
		return nil, errWrong // nobody's, and said without work for anybody
	}
	ok, err := s.hasher.verify(ctx, hash, password, may)
	if err != nil {
		return nil, err
	}
	if !ok || u == nil || !u.DisabledAt.IsZero() {
		return nil, errWrong
	}
	session, err := s.begin(ctx, u)
	if errors.Is(err, parley.ErrConflict) || errors.Is(err, parley.ErrNotFound) {
		return nil, errWrong // the password changed meanwhile
	}
	return session, err
}

// ChangePassword sets another password for a user who knows the one it has, and
// ends its logins but the one that who came by. A wrong one is CodeUnauthenticated,
// and counts like one at Login; who is not in the directory is refused with
// CodeForbidden.
func (s *Service) ChangePassword(ctx context.Context, who *parley.Principal, current, next string) error {
	if err := checkPassword("new_password", next); err != nil {
		return err
	}
	u, err := s.Store.User(ctx, who.Org, who.ID)
	if errors.Is(err, parley.ErrNotFound) {
		return parley.Errorf(parley.CodeForbidden, "you have no password here")
	}
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	_, err = limited(s, u.Email, func(may func() error) (struct{}, error) {
		return struct{}{}, s.changePassword(ctx, who, u, current, next, may)
	})
	return err
}

func (s *Service) changePassword(ctx context.Context, who *parley.Principal, u *parley.User, current, next string, may func() error) error {
	wrong := parley.Errorf(parley.CodeUnauthenticated, "the current password is wrong")
	if len(current) > MaxPassword {
		return wrong
	}
	ok, err := s.hasher.verify(ctx, u.Password, current, may)
	if err != nil {
		return err
	}
	if !ok {
		return wrong
	}
	was := u.Password
	if u.Password, err = s.hasher.hash(ctx, next); err != nil {
		return err
	}
	ended, err := s.Store.UpdateUser(ctx, u, was, who.Credential)
	if errors.Is(err, parley.ErrConflict) {
		return wrong // it changed meanwhile
	}
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	for _, id := range ended {
		if err := s.revoke(ctx, u.Org, id); err != nil {
			// The password is another already, and no refresh token is good: what is left
			// ends with its access token.
			s.Logger.ErrorContext(ctx, "the access tokens of an ended login live on", "org", u.Org, "principal", u.ID, "err", err)
		}
	}
	return nil
}

// Me is what is known of who asks.
func (s *Service) Me(ctx context.Context, who *parley.Principal) (*Account, error) {
	a := &Account{Person: parley.Person{Org: who.Org, ID: who.ID, Kind: who.Kind, Email: who.Email}}
	a.Name = who.Name
	list, err := s.Store.Persons(ctx, who.Org, []parley.PrincipalID{who.ID})
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if len(list) > 0 {
		a.Person = list[0]
	}
	u, err := s.Store.User(ctx, who.Org, who.ID)
	if errors.Is(err, parley.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	a.Email, a.CreatedAt = u.Email, u.CreatedAt
	return a, nil
}

// UpdateProfile changes what who tells of itself, and returns what is known then.
func (s *Service) UpdateProfile(ctx context.Context, who *parley.Principal, c ProfileChange) (*Account, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.Store.UpdateProfile(ctx, who, c.apply); err != nil {
		return nil, fmt.Errorf("update profile: %w", err)
	}
	return s.Me(ctx, who)
}

// now is the time as stores keep it.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
