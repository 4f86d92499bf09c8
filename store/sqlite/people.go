package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-chat/parley"
)

const (
	profileColumns = `name, bio, avatar_url, job_title, language`

	selectPersons = `SELECT p.org, p.id, p.kind, p.email, coalesce(nullif(f.name, ''), p.name) AS shown,
			coalesce(f.bio, ''), coalesce(f.avatar_url, ''), coalesce(f.job_title, ''), coalesce(f.language, ''),
			coalesce(f.seen_at, 0)
		FROM principals p LEFT JOIN profiles f ON f.org = p.org AND f.id = p.id `
	selectPersonsOf = selectPersons + `WHERE p.org = ? AND p.id IN (SELECT value FROM json_each(?))`
	// The key's order is the list's: a page without a prefix costs what it shows.
	selectPeople = selectPersons + `WHERE p.org = ?1 AND p.id > ?2 AND p.kind = ?3
		AND (?4 = '' OR ' ' || shown LIKE ?4 ESCAPE '\') ORDER BY p.id LIMIT ?5 + 0`

	selectProfile = `SELECT ` + profileColumns + ` FROM profiles WHERE org = ? AND id = ?`
	upsertProfile = `INSERT INTO profiles (org, id, ` + profileColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (org, id) DO UPDATE SET name = excluded.name, bio = excluded.bio,
			avatar_url = excluded.avatar_url, job_title = excluded.job_title, language = excluded.language`
	meetPrincipal = insertPrincipal + ` ON CONFLICT DO NOTHING`
	upsertSeen    = `INSERT INTO profiles (org, id, seen_at) VALUES (?, ?, ?)
		ON CONFLICT (org, id) DO UPDATE SET seen_at = excluded.seen_at WHERE seen_at < excluded.seen_at`
)

func profileDest(p *parley.Profile) []any {
	return []any{&p.Name, &p.Bio, &p.AvatarURL, &p.JobTitle, &p.Language}
}

func personDest(p *parley.Person) []any {
	head := []any{&p.Org, &p.ID, &p.Kind, &p.Email}
	return append(append(head, profileDest(&p.Profile)...), timeInto{&p.LastSeen})
}

// Persons implements parley.People.
func (s *Store) Persons(ctx context.Context, org parley.OrgID, ids []parley.PrincipalID) ([]parley.Person, error) {
	names, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("persons: %w", err)
	}
	return s.persons(ctx, selectPersonsOf, string(org), string(names))
}

// People implements parley.People. With a prefix it looks at everybody until the
// page is full.
func (s *Store) People(ctx context.Context, q parley.PeopleQuery) ([]parley.Person, error) {
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	return s.persons(ctx, selectPeople, string(q.Org), string(q.After), string(q.Kind), wordPattern(q.Prefix), q.Limit)
}

// wordPattern matches a name, after a space, one of whose words begins with a
// prefix; empty where that is.
func wordPattern(prefix string) string {
	if prefix == "" {
		return ""
	}
	return `% ` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(prefix) + `%`
}

func (s *Store) persons(ctx context.Context, query string, args ...any) ([]parley.Person, error) {
	all, err := list(ctx, s.reads, query, args, personDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("persons: %w", err)
	}
	return all, nil
}

// UpdateProfile implements parley.People.
func (s *Store) UpdateProfile(ctx context.Context, p *parley.Principal, fn func(*parley.Profile)) error {
	err := s.writer.do(ctx, func(t *tx) error {
		f := new(parley.Profile)
		key := []any{string(p.Org), string(p.ID)}
		if err := t.one(selectProfile, key, profileDest(f)...); err != nil && !errors.Is(err, parley.ErrNotFound) {
			return err
		}
		fn(f)
		if _, err := t.exec(upsertProfile, append(key, f.Name, f.Bio, f.AvatarURL, f.JobTitle, f.Language)...); err != nil {
			return err
		}
		_, err := t.exec(meetPrincipal, append(key, string(p.Kind), p.Name, p.Email)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("update profile: %w", err)
	}
	return nil
}

// Seen implements parley.People.
func (s *Store) Seen(ctx context.Context, list []parley.LastSeen) error {
	err := s.writer.do(ctx, func(t *tx) error {
		for i := range list {
			l := &list[i]
			if _, err := t.exec(upsertSeen, string(l.Org), string(l.Principal), micros(l.At)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who was seen: %w", err)
	}
	return nil
}
