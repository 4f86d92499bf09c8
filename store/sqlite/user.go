package sqlite

import (
	"bytes"
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const (
	userColumns  = `org, id, email, password, created_at, disabled_at`
	loginColumns = `id, org, user, family, hash, previous, salt, created_at, rotated_at, expires_at`
)

const (
	insertUser        = `INSERT INTO users (` + userColumns + `) VALUES (?, ?, ?, ?, ?, ?)`
	insertPrincipal   = `INSERT INTO principals (org, id, kind, name, email) VALUES (?, ?, ?, ?, ?)`
	selectUser        = `SELECT ` + userColumns + ` FROM users WHERE org = ? AND id = ?`
	selectUserByEmail = `SELECT ` + userColumns + ` FROM users WHERE email = ?`
	updateUser        = `UPDATE users SET password = ?, disabled_at = ? WHERE org = ? AND id = ?`

	insertLogin       = `INSERT INTO logins (` + loginColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectLogin       = `SELECT ` + loginColumns + ` FROM logins WHERE id = ?`
	selectOtherLogins = `SELECT id FROM logins WHERE org = ? AND user = ? AND id <> ? ORDER BY created_at, id`
	deleteOtherLogins = `DELETE FROM logins WHERE org = ? AND user = ? AND id <> ?`
	deleteOldLogins   = `DELETE FROM logins WHERE org = ?1 AND user = ?2 AND (expires_at <= ?3 OR id NOT IN
		(SELECT id FROM logins WHERE org = ?1 AND user = ?2 ORDER BY created_at DESC, id DESC LIMIT ?4 + 0))`
	rotateLogin = `UPDATE logins SET family = ?, previous = hash, hash = ?, salt = ?, rotated_at = ?, expires_at = ? WHERE id = ?`
	deleteLogin = `DELETE FROM logins WHERE id = ?`
)

func userDest(u *parley.User) []any {
	return []any{&u.Org, &u.ID, &u.Email, &u.Password, timeInto{&u.CreatedAt}, timeInto{&u.DisabledAt}}
}

func loginDest(l *parley.Login) []any {
	return []any{&l.ID, &l.Org, &l.User, &l.Family, &l.Hash, &l.Previous, &l.Salt,
		timeInto{&l.CreatedAt}, timeInto{&l.RotatedAt}, timeInto{&l.ExpiresAt}}
}

// InsertUser implements parley.Directory.
func (s *Store) InsertUser(ctx context.Context, u *parley.User, name string) error {
	err := s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec(insertUser, string(u.Org), string(u.ID), u.Email, u.Password, micros(u.CreatedAt), micros(u.DisabledAt))
		if err != nil {
			return err
		}
		_, err = t.exec(insertPrincipal, string(u.Org), string(u.ID), string(parley.KindUser), name, u.Email)
		return err
	})
	if err != nil {
		return fmt.Errorf("insert user: %w", err)
	}
	return nil
}

// User implements parley.Directory.
func (s *Store) User(ctx context.Context, org parley.OrgID, id parley.PrincipalID) (*parley.User, error) {
	return s.user(ctx, selectUser, string(org), string(id))
}

// UserByEmail implements parley.Directory.
func (s *Store) UserByEmail(ctx context.Context, email string) (*parley.User, error) {
	return s.user(ctx, selectUserByEmail, email)
}

func (s *Store) user(ctx context.Context, query string, args ...any) (*parley.User, error) {
	u := new(parley.User)
	if err := s.readError(ctx, one(ctx, s.reads, query, args, userDest(u)...)); err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	return u, nil
}

// UpdateUser implements parley.Directory; the logins that ended come in the order
// in which they began.
func (s *Store) UpdateUser(ctx context.Context, u *parley.User, was, keep string) (ended []string, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		stored, err := t.user(u.Org, u.ID)
		if err == nil && stored.Password != was {
			err = parley.ErrConflict
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(updateUser, u.Password, micros(u.DisabledAt), string(u.Org), string(u.ID)); err != nil {
			return err
		}
		args := []any{string(u.Org), string(u.ID), keep}
		err = t.each(selectOtherLogins, args, func(r row) error {
			var id string
			err := r.Scan(&id)
			ended = append(ended, id)
			return err
		})
		if err == nil {
			_, err = t.exec(deleteOtherLogins, args...)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("update user: %w", err)
	}
	return ended, nil
}

func (t *tx) user(org parley.OrgID, id parley.PrincipalID) (*parley.User, error) {
	u := new(parley.User)
	return u, t.one(selectUser, []any{string(org), string(id)}, userDest(u)...)
}

// InsertLogin implements parley.Directory.
func (s *Store) InsertLogin(ctx context.Context, l *parley.Login, password string, most int) error {
	err := s.writer.do(ctx, func(t *tx) error {
		u, err := t.user(l.Org, l.User)
		if err == nil && (u.Password != password || !u.DisabledAt.IsZero()) {
			err = parley.ErrConflict
		}
		if err != nil {
			return err
		}
		_, err = t.exec(insertLogin, l.ID, string(l.Org), string(l.User), l.Family, l.Hash, l.Previous, l.Salt,
			micros(l.CreatedAt), micros(l.RotatedAt), micros(l.ExpiresAt))
		if err == nil {
			_, err = t.exec(deleteOldLogins, string(l.Org), string(l.User), micros(l.CreatedAt), most)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("insert login: %w", err)
	}
	return nil
}

// Login implements parley.Directory.
func (s *Store) Login(ctx context.Context, id string) (*parley.Login, error) {
	l := new(parley.Login)
	if err := s.readError(ctx, one(ctx, s.reads, selectLogin, []any{id}, loginDest(l)...)); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return l, nil
}

// RotateLogin implements parley.Directory.
func (s *Store) RotateLogin(ctx context.Context, l *parley.Login, was []byte) error {
	err := s.writer.do(ctx, func(t *tx) error {
		stored := new(parley.Login)
		if err := t.one(selectLogin, []any{l.ID}, loginDest(stored)...); err != nil {
			return err
		}
		u, err := t.user(stored.Org, stored.User)
		if err == nil && (!bytes.Equal(stored.Hash, was) || !u.DisabledAt.IsZero()) {
			err = parley.ErrConflict
		}
		if err == nil {
			_, err = t.exec(rotateLogin, l.Family, l.Hash, l.Salt, micros(l.RotatedAt), micros(l.ExpiresAt), l.ID)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("rotate login: %w", err)
	}
	return nil
}

// DeleteLogin implements parley.Directory.
func (s *Store) DeleteLogin(ctx context.Context, id string) error {
	err := s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec(deleteLogin, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete login: %w", err)
	}
	return nil
}
