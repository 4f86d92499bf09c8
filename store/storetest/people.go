package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley"
)

var peopleCases = group{"people", []testCase{
	{"who was seen is a person, with a profile once it tells one", func(e *env) {
		p := e.meet("ann", parley.KindUser, "Änn")
		want := parley.Person{Org: e.org, ID: "ann", Kind: parley.KindUser, Email: "ann@example.com", Profile: parley.Profile{Name: "Änn"}}
		e.same("before", e.persons("ann"), []parley.Person{want})
		profile := parley.Profile{Bio: "Hallo.\nIch.", AvatarURL: "https://a.example/1.png", JobTitle: "Chef", Language: "de-CH"}
		e.ok(e.s.UpdateProfile(e.ctx, p, func(f *parley.Profile) { *f = profile }))
		want.Profile = profile
		want.Name = "Änn"
		e.same("after", e.persons("ann"), []parley.Person{want})
	}},
	{"the name one chose counts, whatever a credential says", func(e *env) {
		p := e.meet("ann", parley.KindUser, "Ann")
		e.ok(e.s.UpdateProfile(e.ctx, p, func(f *parley.Profile) { f.Name = "Queen Ann" }))
		e.meet("ann", parley.KindUser, "Ann again")
		e.same("name", e.persons("ann")[0].Name, "Queen Ann")
		var stored string
		e.ok(e.s.UpdateProfile(e.ctx, p, func(f *parley.Profile) { stored, f.Name = f.Name, "" }))
		e.same("what was stored", stored, "Queen Ann")
		e.same("name", e.persons("ann")[0].Name, "Ann again")
	}},
	{"who was never seen is remembered with its profile", func(e *env) {
		p := &parley.Principal{Org: e.org, ID: "ben", Kind: parley.KindUser, Name: "Ben", Email: "ben@example.com"}
		e.ok(e.s.UpdateProfile(e.ctx, p, func(f *parley.Profile) { f.Bio = "hi" }))
		e.same("person", e.persons("ben"), []parley.Person{{
			Org: e.org, ID: "ben", Kind: parley.KindUser, Email: "ben@example.com", Profile: parley.Profile{Name: "Ben", Bio: "hi"},
		}})
	}},
	{"persons are those of the ids whom the org knows", func(e *env) {
		for _, id := range []parley.PrincipalID{"ann", "ben", "it's \"cyd\""} {
			e.meet(id, parley.KindUser, "")
		}
		e.update(func(tx parley.Tx) error {
			return tx.UpsertPrincipal(&parley.Principal{Org: e.other, ID: "dan", Kind: parley.KindUser})
		})
		e.same("ids", idsOf(e.persons("ben", "dan", "nobody", "it's \"cyd\"")), []parley.PrincipalID{"ben", "it's \"cyd\""})
		e.same("of none", len(e.persons()), 0)
	}},
	{"the latest time seen counts", func(e *env) {
		e.meet("ann", parley.KindUser, "Ann")
		for _, n := range []int{5, 9, 7} {
			e.see(at(n), "ann")
		}
		e.same("last seen", e.persons("ann")[0].LastSeen, at(9))
	}},
	{"many are seen at once, and none", func(e *env) {
		e.meet("ann", parley.KindUser, "Ann")
		e.meet("auth0|ben", parley.KindUser, "")
		e.see(at(3), "ann")
		e.see(at(2), "auth0|ben", "ann", "nobody that was met")
		e.see(at(4))
		e.same("ann", e.persons("ann")[0].LastSeen, at(3))
		e.same("ben", e.persons("auth0|ben")[0].LastSeen, at(2))
		e.same("who was not met", len(e.persons("nobody that was met")), 0)
	}},
	{"a list goes by the bytes of the ids, a page at a time", func(e *env) {
		for _, id := range []parley.PrincipalID{"b", "B", "ä", "a", "_"} {
			e.meet(id, parley.KindUser, "")
		}
		e.meet("bot", parley.KindAgent, "Bot")
		e.same("users", e.people(parley.PeopleQuery{}), []parley.PrincipalID{"B", "_", "a", "b", "ä"})
		e.same("a page", e.people(parley.PeopleQuery{Limit: 2, After: "B"}), []parley.PrincipalID{"_", "a"})
		e.same("agents", e.people(parley.PeopleQuery{Kind: parley.KindAgent}), []parley.PrincipalID{"bot"})
	}},
	{"without a limit a page has a hundred", func(e *env) {
		e.update(func(tx parley.Tx) error {
			for i := range 101 {
				if err := tx.UpsertPrincipal(&parley.Principal{Org: e.org, ID: parley.PrincipalID(fmt.Sprint("u", i)), Kind: parley.KindUser}); err != nil {
					return err
				}
			}
			return nil
		})
		e.same("people", len(e.people(parley.PeopleQuery{})), 100)
	}},
	{"a prefix is of any word of the shown name, in either case", func(e *env) {
		e.meet("1", parley.KindUser, "Ann Smith")
		p := e.meet("2", parley.KindUser, "Smithy")
		e.meet("3", parley.KindUser, "Ben 100%_\\")
		e.meet("4", parley.KindUser, "Goldsmith")
		e.same("smi", e.people(parley.PeopleQuery{Prefix: "smi"}), []parley.PrincipalID{"1", "2"})
		e.same("two words", e.people(parley.PeopleQuery{Prefix: "ann s"}), []parley.PrincipalID{"1"})
		for _, odd := range []string{"100%_\\", "100%"} {
			e.same(odd, e.people(parley.PeopleQuery{Prefix: odd}), []parley.PrincipalID{"3"})
		}
		for _, odd := range []string{"%", "_", "\\", "'", "1_0"} {
			e.same(odd, len(e.people(parley.PeopleQuery{Prefix: odd})), 0)
		}
		e.ok(e.s.UpdateProfile(e.ctx, p, func(f *parley.Profile) { f.Name = "Zed" }))
		e.same("z", e.people(parley.PeopleQuery{Prefix: "z"}), []parley.PrincipalID{"2"})
		e.same("smi, later", e.people(parley.PeopleQuery{Prefix: "SMI"}), []parley.PrincipalID{"1"})
	}},
}}

// meet has the store see a principal.
func (e *env) meet(id parley.PrincipalID, kind parley.PrincipalKind, name string) *parley.Principal {
	e.Helper()
	p := &parley.Principal{Org: e.org, ID: id, Kind: kind, Name: name, Email: string(id) + "@example.com"}
	e.update(func(tx parley.Tx) error { return tx.UpsertPrincipal(p) })
	return p
}

func (e *env) persons(ids ...parley.PrincipalID) []parley.Person {
	e.Helper()
	list := must(e.s.Persons(e.ctx, e.org, ids))(e)
	slices.SortFunc(list, func(a, b parley.Person) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// people lists ids, of users unless the query says otherwise.
func (e *env) people(q parley.PeopleQuery) []parley.PrincipalID {
	e.Helper()
	q.Org = e.org
	if q.Kind == "" {
		q.Kind = parley.KindUser
	}
	return idsOf(must(e.s.People(e.ctx, q))(e))
}

func idsOf(list []parley.Person) (ids []parley.PrincipalID) {
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids
}

// see notes that people were here at a time.
func (e *env) see(at time.Time, ids ...parley.PrincipalID) {
	e.Helper()
	var list []parley.LastSeen
	for _, id := range ids {
		list = append(list, parley.LastSeen{Org: e.org, Principal: id, At: at})
	}
	e.ok(e.s.Seen(e.ctx, list))
}
