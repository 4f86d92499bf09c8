package httpd

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// People is what the store knows of an org's principals, and who of them share a
// conversation.
type People interface {
	parley.People
	parley.PeerReader
}

// chatUser is a person or an agent (contracts.md 4.2, Objects).
type chatUser struct {
	ID          parley.PrincipalID `json:"id"`
	DisplayName string             `json:"display_name"`
	IsAgent     bool               `json:"is_agent"`
	Status      *string            `json:"status"`
	Bio         *string            `json:"bio"`
	AvatarURL   *string            `json:"avatar_url"`
	LastSeen    *stamp             `json:"last_seen"`
	JobTitle    *string            `json:"job_title"`
	Language    *string            `json:"language"`
	IsDefault   bool               `json:"is_default_agent"`
}

type userList struct {
	Users      []chatUser `json:"users"`
	NextCursor string     `json:"next_cursor,omitempty"`
}

type agentList struct {
	Agents     []chatUser `json:"agents"`
	NextCursor string     `json:"next_cursor,omitempty"`
}

// listUsers lists the people of the caller's org. Whether somebody is there, and
// since when not, is shown of those who share a conversation with the caller and whom it
// does not block.
func (s *Server) listUsers(c *call) error {
	q, err := s.peopleQuery(c, parley.KindUser)
	if err != nil {
		return err
	}
	found, next, err := s.people(c.ctx, q, nil)
	if err != nil {
		return err
	}
	near, err := s.near(c.ctx, c.who, found)
	if err != nil {
		return err
	}
	status := s.statusOf(c.who.Org, near)
	list := userList{Users: []chatUser{}, NextCursor: next}
	for i := range found {
		u := s.chatUserOf(&found[i], status)
		if !slices.Contains(near, found[i].ID) {
			u.LastSeen = nil
		}
		list.Users = append(list.Users, u)
	}
	return c.reply(http.StatusOK, list)
}

// listAgents lists the agents that live in this process, and those that the org
// has seen.
func (s *Server) listAgents(c *call) error {
	q, err := s.peopleQuery(c, parley.KindAgent)
	if err != nil {
		return err
	}
	found, next, err := s.people(c.ctx, q, s.Agents)
	if err != nil {
		return err
	}
	blocks, err := s.blocks(c.ctx, c.who)
	if err != nil {
		return err
	}
	status := s.statusOf(c.who.Org, idsOf(found))
	list := agentList{Agents: []chatUser{}, NextCursor: next}
	for i := range found {
		a := s.chatUserOf(&found[i], status)
		if blocks[a.ID] {
			a.Status, a.LastSeen = nil, nil
		}
		list.Agents = append(list.Agents, a)
	}
	return c.reply(http.StatusOK, list)
}

// peopleQuery reads limit, cursor and q.
func (s *Server) peopleQuery(c *call, kind parley.PrincipalKind) (q parley.PeopleQuery, err error) {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return q, err
	}
	values := c.r.URL.Query()
	q = parley.PeopleQuery{Org: c.who.Org, Kind: kind, Prefix: strings.TrimSpace(values.Get("q"))}
	if q.Limit, err = limit(values, pageDefault, pageMax); err != nil {
		return q, err
	}
	if !plain(q.Prefix) {
		return q, &parley.Error{
			Code: parley.CodeInvalidArgument, Message: "q must be at most 256 bytes without control characters", Field: "q",
		}
	}
	q.After, err = peopleCursor(values)
	return q, err
}

// peopleCursor reads where the page before ended.
func peopleCursor(values url.Values) (parley.PrincipalID, error) {
	id, err := base64.RawURLEncoding.DecodeString(values.Get("cursor"))
	if err != nil || !plain(string(id)) {
		return "", &parley.Error{Code: parley.CodeInvalidArgument, Message: "the cursor is not one of this list", Field: "cursor"}
	}
	return parley.PrincipalID(id), nil
}

// plain reports whether a text can be an id or a part of a name.
func plain(s string) bool {
	return len(s) <= 256 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// people reads a page of those the store knows and of others, who may be among
// them; next is empty at the end.
func (s *Server) people(ctx context.Context, q parley.PeopleQuery, others []parley.Principal) (found []parley.Person, next string, err error) {
	limit := q.Limit
	q.Limit++
	if s.People != nil {
		if found, err = s.People.People(ctx, q); err != nil {
			return nil, "", err
		}
	}
	for i := range others {
		o := &others[i]
		known := slices.ContainsFunc(found, func(p parley.Person) bool { return p.ID == o.ID })
		if known || o.ID <= q.After || !named(cmp.Or(o.Name, string(o.ID)), q.Prefix) {
			continue
		}
		found = append(found, parley.Person{Org: q.Org, ID: o.ID, Kind: o.Kind, Profile: parley.Profile{Name: o.Name}})
	}
	slices.SortFunc(found, func(a, b parley.Person) int { return cmp.Compare(a.ID, b.ID) })
	if len(found) > limit {
		found = found[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(found[limit-1].ID))
	}
	return found, next, nil
}

// named reports whether a word of a name begins with a prefix.
func named(name, prefix string) bool {
	return strings.Contains(" "+strings.ToLower(name), " "+strings.ToLower(prefix))
}

// near lists those of a page whose presence the caller is shown: who shares a
// conversation with it and is not blocked by it, and the caller.
func (s *Server) near(ctx context.Context, who *parley.Principal, page []parley.Person) ([]parley.PrincipalID, error) {
	near := []parley.PrincipalID{who.ID}
	if len(page) == 0 || s.People == nil {
		return near, nil
	}
	peers, err := s.People.PeersAmong(ctx, who.Org, who.ID, s.Limits.PresenceMembers, idsOf(page))
	if err != nil {
		return nil, err
	}
	blocks, err := s.blocks(ctx, who)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		if !blocks[p.Principal] {
			near = append(near, p.Principal)
		}
	}
	return near, nil
}

func (s *Server) statusOf(org parley.OrgID, ids []parley.PrincipalID) map[parley.PrincipalID]parley.PresenceStatus {
	if s.Presence == nil || len(ids) == 0 {
		return nil
	}
	return s.Presence(org, ids)
}

func idsOf(list []parley.Person) []parley.PrincipalID {
	ids := make([]parley.PrincipalID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids
}

func (s *Server) chatUserOf(p *parley.Person, status map[parley.PrincipalID]parley.PresenceStatus) chatUser {
	return chatUser{
		ID: p.ID, DisplayName: shownName(p), IsAgent: p.Kind == parley.KindAgent, Status: orNull(string(status[p.ID])),
		Bio: orNull(p.Bio), AvatarURL: orNull(p.AvatarURL), LastSeen: stampOrNull(p.LastSeen),
		JobTitle: orNull(p.JobTitle), Language: orNull(p.Language),
		IsDefault: p.Kind == parley.KindAgent && p.ID == s.DefaultAgent,
	}
}

// shownName is never empty.
func shownName(p *parley.Person) string { return cmp.Or(p.Name, string(p.ID)) }

// personsOf reads what is known of principals, by id.
func (s *Server) personsOf(ctx context.Context, org parley.OrgID, ids []parley.PrincipalID) (map[parley.PrincipalID]*parley.Person, error) {
	if s.People == nil || len(ids) == 0 {
		return nil, nil
	}
	list, err := s.People.Persons(ctx, org, ids)
	if err != nil {
		return nil, err
	}
	known := make(map[parley.PrincipalID]*parley.Person, len(list))
	for i := range list {
		known[list[i].ID] = &list[i]
	}
	return known, nil
}

// introduce completes members with what they tell of themselves.
func (s *Server) introduce(ctx context.Context, org parley.OrgID, list []chatParticipant) ([]chatParticipant, error) {
	ids := make([]parley.PrincipalID, len(list))
	for i := range list {
		ids[i] = list[i].UserID
	}
	known, err := s.personsOf(ctx, org, ids)
	if err != nil {
		return nil, err
	}
	for i := range list {
		v := &list[i]
		if p := known[v.UserID]; p != nil {
			v.DisplayName = cmp.Or(p.Name, v.DisplayName)
			v.AvatarURL, v.JobTitle = orNull(p.AvatarURL), orNull(p.JobTitle)
		}
	}
	return list, nil
}

// introduceContacts does the same for the other ones of pairs.
func (s *Server) introduceContacts(ctx context.Context, org parley.OrgID, list []chatConversation) error {
	var ids []parley.PrincipalID
	for i := range list {
		if list[i].Contact != nil {
			ids = append(ids, list[i].Contact.UserID)
		}
	}
	known, err := s.personsOf(ctx, org, ids)
	if err != nil {
		return err
	}
	for i := range list {
		v := list[i].Contact
		if v == nil || known[v.UserID] == nil {
			continue
		}
		p := known[v.UserID]
		v.DisplayName = cmp.Or(p.Name, v.DisplayName)
		v.AvatarURL, v.Bio = orNull(p.AvatarURL), orNull(p.Bio)
		if !v.absent {
			v.LastSeen = stampOrNull(p.LastSeen)
		}
		v.JobRole, v.Language = orNull(p.JobTitle), orNull(p.Language)
	}
	return nil
}
