package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	userColumns  = `org, id, email, password, created_at, disabled_at`
	loginColumns = `id, org, user_id, family, hash, previous, salt, created_at, rotated_at, expires_at`
)

const (
	insertUser = `
		INSERT INTO users (` + userColumns + `) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`

	insertPrincipal = `
		INSERT INTO principals (org, id, kind, name, email) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`

	selectUser = `SELECT ` + userColumns + ` FROM users WHERE org = $1 AND id = $2`

	// holdUser puts whatever is done to one user in a row: a login that begins with
	// the old password is there before the password changes, or not at all.
	holdUser = selectUser + ` FOR UPDATE`

	selectUserByEmail = `SELECT ` + userColumns + ` FROM users WHERE email = $1`

	updateUser = `UPDATE users SET password = $3, disabled_at = $4 WHERE org = $1 AND id = $2`

	insertLogin = `
		INSERT INTO logins (` + loginColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT DO NOTHING`

	selectLogin = `SELECT ` + loginColumns + ` FROM logins WHERE id = $1`

	deleteOtherLogins = `
		WITH ended AS (
			DELETE FROM logins WHERE org = $1 AND user_id = $2 AND id <> $3 RETURNING id, created_at
		)
		SELECT id FROM ended ORDER BY created_at, id COLLATE "C"`

	deleteOldLogins = `
		DELETE FROM logins WHERE org = $1 AND user_id = $2 AND (expires_at <= $3 OR id NOT IN (
			SELECT id FROM logins WHERE org = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT $4))`

	rotateLogin = `
		UPDATE logins SET family = $2, previous = hash, hash = $3, salt = $4, rotated_at = $5, expires_at = $6
		WHERE id = $1`

	deleteLogin = `DELETE FROM logins WHERE id = $1`
)

func scanUser(row pgx.CollectableRow) (u parley.User, err error) {
	var disabled *time.Time
	err = row.Scan(&u.Org, &u.ID, &u.Email, &u.Password, &u.CreatedAt, &disabled)
	if disabled != nil {
		u.DisabledAt = *disabled
	}
	return u, err
}

func scanLogin(row pgx.CollectableRow) (l parley.Login, err error) {
	err = row.Scan(&l.ID, &l.Org, &l.User, &l.Family, &l.Hash, &l.Previous, &l.Salt, &l.CreatedAt, &l.RotatedAt, &l.ExpiresAt)
	return l, err
}

// update is Update with the transaction as this package knows it.
func (s *Store) update(ctx context.Context, fn func(t *tx) error) error {
	return s.Update(ctx, func(t parley.Tx) error { return fn(t.(*tx)) })
}

// InsertUser implements parley.Directory.
func (s *Store) InsertUser(ctx context.Context, u *parley.User, name string) error {
	return s.update(ctx, func(t *tx) error {
		err := t.insert("insert user", insertUser, u.Org, u.ID, u.Email, u.Password, u.CreatedAt, timeOrNull(u.DisabledAt))
		if err != nil {
			return err
		}
		return t.insert("insert principal", insertPrincipal, u.Org, u.ID, parley.KindUser, name, u.Email)
	})
}

// User implements parley.Directory.
func (s *Store) User(ctx context.Context, org parley.OrgID, id parley.PrincipalID) (*parley.User, error) {
	u, err := read(ctx, s, "read user", scanUser, selectUser, org, id)
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// UserByEmail implements parley.Directory.
func (s *Store) UserByEmail(ctx context.Context, email string) (*parley.User, error) {
	u, err := read(ctx, s, "find user", scanUser, selectUserByEmail, email)
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// UpdateUser implements parley.Directory; the logins that ended come in the order
// in which they began.
func (s *Store) UpdateUser(ctx context.Context, u *parley.User, was, keep string) (ended []string, err error) {
	err = s.update(ctx, func(t *tx) error {
		stored, err := get(t, "hold user", scanUser, holdUser, u.Org, u.ID)
		if err != nil {
			return err
		}
		if stored.Password != was {
			return parley.ErrConflict
		}
		if err := t.change("update user", updateUser, u.Org, u.ID, u.Password, timeOrNull(u.DisabledAt)); err != nil {
			return err
		}
		ended, err = list(t.ctx, t.q, pgx.RowTo[string], deleteOtherLogins, u.Org, u.ID, keep)
		return t.check("end logins", err)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// InsertLogin implements parley.Directory.
func (s *Store) InsertLogin(ctx context.Context, l *parley.Login, password string, most int) error {
	return s.update(ctx, func(t *tx) error {
		u, err := get(t, "hold user", scanUser, holdUser, l.Org, l.User)
		if err != nil {
			return err
		}
		if u.Password != password || !u.DisabledAt.IsZero() {
			return parley.ErrConflict
		}
		err = t.insert("insert login", insertLogin, l.ID, l.Org, l.User, l.Family, l.Hash, l.Previous, l.Salt,
			l.CreatedAt, l.RotatedAt, l.ExpiresAt)
		if err != nil {
			return err
		}
		_, err = t.exec("let go of logins", deleteOldLogins, l.Org, l.User, l.CreatedAt, most)
		return err
	})
}

// Login implements parley.Directory.
func (s *Store) Login(ctx context.Context, id string) (*parley.Login, error) {
	l, err := read(ctx, s, "read login", scanLogin, selectLogin, id)
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// RotateLogin implements parley.Directory.
func (s *Store) RotateLogin(ctx context.Context, l *parley.Login, was []byte) error {
	return s.update(ctx, func(t *tx) error {
		stored, err := get(t, "read login", scanLogin, selectLogin, l.ID)
		if err != nil {
			return err
		}
		u, err := get(t, "hold user", scanUser, holdUser, stored.Org, stored.User)
		if err != nil {
			return err
		}
		// Whoever held the user until now may have rotated the login, or ended it.
		if stored, err = get(t, "read login", scanLogin, selectLogin, l.ID); err != nil {
			return err
		}
		if !bytes.Equal(stored.Hash, was) || !u.DisabledAt.IsZero() {
			return parley.ErrConflict
		}
		return t.change("rotate login", rotateLogin, l.ID, l.Family, l.Hash, l.Salt, l.RotatedAt, l.ExpiresAt)
	})
}

// DeleteLogin implements parley.Directory.
func (s *Store) DeleteLogin(ctx context.Context, id string) error {
	_, err := s.write(ctx, "delete login", deleteLogin, id)
	return err
}
