package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	profileColumns = `name, bio, avatar_url, job_title, language`

	selectPersons = `
		SELECT p.org, p.id, p.kind, p.email, coalesce(nullif(f.name, ''), p.name),
			coalesce(f.bio, ''), coalesce(f.avatar_url, ''), coalesce(f.job_title, ''), coalesce(f.language, ''), f.seen_at
		FROM principals p LEFT JOIN profiles f ON f.org = p.org AND f.id = p.id `

	selectPersonsOf = selectPersons + `WHERE p.org = $1 AND p.id = ANY($2)`

	selectPeople = selectPersons + `
		WHERE p.org = $1 AND p.id COLLATE "C" > $2 AND p.kind = $3
			AND ($4 = '' OR ' ' || coalesce(nullif(f.name, ''), p.name) ILIKE $4)
		ORDER BY p.id COLLATE "C" LIMIT $5`

	holdProfile = `SELECT ` + profileColumns + ` FROM profiles WHERE org = $1 AND id = $2 FOR UPDATE`

	// meetProfile makes sure that there is a row to hold.
	meetProfile = `INSERT INTO profiles (org, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

	updateProfile = `
		UPDATE profiles SET name = $3, bio = $4, avatar_url = $5, job_title = $6, language = $7
		WHERE org = $1 AND id = $2`

	// In the order of the key: two nodes that write at once do not wait for each other
	// in a circle.
	upsertSeen = `
		INSERT INTO profiles AS f (org, id, seen_at)
			SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS l (org, id, at) ORDER BY 1, 2
		ON CONFLICT (org, id) DO UPDATE SET seen_at = excluded.seen_at
		WHERE f.seen_at IS NULL OR f.seen_at < excluded.seen_at`
)

func scanProfile(row pgx.CollectableRow) (f parley.Profile, err error) {
	err = row.Scan(&f.Name, &f.Bio, &f.AvatarURL, &f.JobTitle, &f.Language)
	return f, err
}

func scanPerson(row pgx.CollectableRow) (p parley.Person, err error) {
	var seen *time.Time
	err = row.Scan(&p.Org, &p.ID, &p.Kind, &p.Email, &p.Name, &p.Bio, &p.AvatarURL, &p.JobTitle, &p.Language, &seen)
	if seen != nil {
		p.LastSeen = *seen
	}
	return p, err
}

// Persons implements parley.People.
func (s *Store) Persons(ctx context.Context, org parley.OrgID, ids []parley.PrincipalID) ([]parley.Person, error) {
	return readAll(ctx, s, "read persons", scanPerson, selectPersonsOf, org, ids)
}

// People implements parley.People. With a prefix it looks at everybody until the
// page is full.
func (s *Store) People(ctx context.Context, q parley.PeopleQuery) ([]parley.Person, error) {
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	return readAll(ctx, s, "list people", scanPerson, selectPeople, q.Org, q.After, q.Kind, wordPattern(q.Prefix), q.Limit)
}

// wordPattern matches a name, after a space, one of whose words begins with a
// prefix; empty where that is.
func wordPattern(prefix string) string {
	if prefix == "" {
		return ""
	}
	return `% ` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(prefix) + `%`
}

// UpdateProfile implements parley.People.
func (s *Store) UpdateProfile(ctx context.Context, p *parley.Principal, fn func(*parley.Profile)) error {
	return s.update(ctx, func(t *tx) error {
		if _, err := t.exec("begin profile", meetProfile, p.Org, p.ID); err != nil {
			return err
		}
		f, err := get(t, "hold profile", scanProfile, holdProfile, p.Org, p.ID)
		if err != nil {
			return err
		}
		fn(f)
		err = t.change("update profile", updateProfile, p.Org, p.ID, f.Name, f.Bio, f.AvatarURL, f.JobTitle, f.Language)
		if err != nil {
			return err
		}
		err = t.insert("meet principal", insertPrincipal, p.Org, p.ID, p.Kind, p.Name, p.Email)
		if errors.Is(err, parley.ErrConflict) { // it was seen before
			return nil
		}
		return err
	})
}

// Seen implements parley.People.
func (s *Store) Seen(ctx context.Context, list []parley.LastSeen) error {
	orgs, ids, times := make([]string, len(list)), make([]string, len(list)), make([]time.Time, len(list))
	for i, l := range list {
		orgs[i], ids[i], times[i] = string(l.Org), string(l.Principal), l.At
	}
	_, err := s.write(ctx, "note who was seen", upsertSeen, orgs, ids, times)
	return err
}
