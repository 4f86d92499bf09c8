package parley

import (
	"context"
	"time"
)

// User is an entry of the built-in directory: somebody who signs in here with an
// e-mail and a password. Whoever comes with a token of another issuer is no User,
// only a Principal.
type User struct {
	Org OrgID
	ID  PrincipalID
	// Email is normalised: in lower case, without white space around it. No two users
	// of a store share one, whatever their orgs: a login names no org.
	Email string
	// Password is the hash of the password with its parameters (PHC string format).
	Password  string
	CreatedAt time.Time
	// DisabledAt is since when the user may not sign in; zero while it may.
	DisabledAt time.Time
}

// Login is one sign-in on one device: a family of refresh tokens, each good for
// one use, of which only the last is good.
type Login struct {
	// ID names the family. It is the Credential of the access tokens that come of it,
	// so that to revoke it ends these and their sockets too.
	ID   string
	Org  OrgID
	User PrincipalID
	// Family is the SHA-256 of what all its tokens have in common, a secret: whoever
	// knows it had one of them, however long ago. Nil for a login that is older than
	// this and was not rotated since.
	Family []byte
	Hash   []byte // SHA-256 of the token that is good now
	// Previous is the SHA-256 of the token before, and Salt what the one that is good
	// now was made with, of that one; nil before the first rotation.
	Previous, Salt []byte
	// CreatedAt is when the user signed in, RotatedAt when the token that is good now
	// was given out, ExpiresAt when it stops to be good.
	CreatedAt, RotatedAt, ExpiresAt time.Time
}

// Directory is what the store remembers of those who sign in here.
type Directory interface {
	// InsertUser stores a new user, and remembers it as a principal of kind user with
	// this name. ErrConflict where the e-mail is taken, or the id within the org, by
	// any principal.
	InsertUser(ctx context.Context, u *User, name string) error
	// User reads one. ErrNotFound where there is none in the org.
	User(ctx context.Context, org OrgID, id PrincipalID) (*User, error)
	// UserByEmail finds one by a normalised e-mail, disabled ones too. ErrNotFound
	// where there is none in any org.
	UserByEmail(ctx context.Context, email string) (*User, error)
	// UpdateUser writes the password and DisabledAt of a user whose stored password is
	// still was, ends its logins but the one named keep (empty: all), and returns
	// their ids. ErrConflict where the password is another, ErrNotFound where there is
	// no such user.
	UpdateUser(ctx context.Context, u *User, was, keep string) (ended []string, err error)

	// InsertLogin stores a new login of a user, whom the same moment finds enabled and
	// with the password that was verified: else ErrConflict. Logins of the user that
	// have expired are let go, and of the others the oldest beyond most.
	InsertLogin(ctx context.Context, l *Login, password string, most int) error
	// Login reads one, expired or not. ErrNotFound where there is none.
	Login(ctx context.Context, id string) (*Login, error)
	// RotateLogin writes Family, Hash, Salt, RotatedAt and ExpiresAt of a login whose
	// Hash is still was, which becomes its Previous; of two callers with the same was
	// one succeeds. ErrConflict where another is good, or the user is disabled;
	// ErrNotFound where there is no such login, or user.
	RotateLogin(ctx context.Context, l *Login, was []byte) error
	// DeleteLogin ends one; none is no error.
	DeleteLogin(ctx context.Context, id string) error
}

// Profile is what a principal tells of itself. Any field may be empty.
type Profile struct {
	Name      string // display name; where empty, that of the principal's credential counts
	Bio       string
	AvatarURL string
	JobTitle  string
	Language  string // a language tag, "de-CH"
}

// Person is somebody an org knows: whoever was seen with a credential, spoke, or
// is in the directory.
type Person struct {
	Org   OrgID
	ID    PrincipalID
	Kind  PrincipalKind
	Email string // may be empty
	// Profile has as Name what the person is shown by: its own choice, or its
	// credential's; may be empty.
	Profile
	// LastSeen is when it last was here, as far as that is known; zero for unknown.
	LastSeen time.Time
}

// PeopleQuery asks for the people of an org, in the byte order of their ids.
type PeopleQuery struct {
	Org  OrgID
	Kind PrincipalKind
	// Prefix is what a word of the shown name begins with, ASCII letters of either
	// case; empty: everybody.
	Prefix string
	// After is exclusive; empty begins at the first.
	After PrincipalID
	// Limit is how many at most; 0: 100.
	Limit int
}

// People is what the store knows of an org's principals and their profiles.
type People interface {
	// Persons reads those of the ids whom the org knows, in no order.
	Persons(ctx context.Context, org OrgID, ids []PrincipalID) ([]Person, error)
	// People lists them.
	People(ctx context.Context, q PeopleQuery) ([]Person, error)
	// UpdateProfile has fn change what a principal tells of itself; it is given what
	// is stored, whose Name is empty where none was chosen. fn may be run again from
	// its start and must have no other effect. Whoever was never seen is remembered
	// with the profile, as p.
	UpdateProfile(ctx context.Context, p *Principal, fn func(*Profile)) error
	// Seen notes when principals were last here, each of whom is listed once; the
	// latest time counts.
	Seen(ctx context.Context, list []LastSeen) error
}

// LastSeen is when a principal was last here.
type LastSeen struct {
	Org       OrgID
	Principal PrincipalID
	At        time.Time
}
