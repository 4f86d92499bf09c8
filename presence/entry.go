package presence

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/parley-chat/parley"
)

// pages is on how many pages a node writes, so that each stays far below what a
// message may hold: some 10,000 principals a page.
const pages = 16

func pageName(node string, page int) string { return node + "/" + strconv.Itoa(page) }

// splitPage reads what pageName wrote.
func splitPage(name string) (node string, page int) {
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return name, -1
	}
	page, err := strconv.Atoi(name[at+1:])
	if err != nil || page < 0 || page >= pages {
		return name[:at], -1
	}
	return name[:at], page
}

// entry is what an entry of the roster says: who came to the page's node and who
// went. On a whole page On is everybody. Whoever is on twice says something new.
type entry struct {
	By  string   `json:"by"` // the node that wrote it
	On  []member `json:"on,omitempty"`
	Off []member `json:"off,omitempty"`
	// Words are what people said to this node whom it does not have.
	Words []member `json:"say,omitempty"`

	whole bool // as the roster has it
}

type member struct {
	Org  parley.OrgID         `json:"o"`
	ID   parley.PrincipalID   `json:"i"`
	Kind parley.PrincipalKind `json:"k,omitempty"` // empty: a user

	// What it says of itself: see word. That a later entry leaves it out takes nothing
	// back.
	Status parley.PresenceStatus `json:"s,omitempty"`
	Detail string                `json:"d,omitempty"`
	Said   int64                 `json:"v,omitempty"`
}

func memberOf(k who, kind parley.PrincipalKind) member {
	if kind == parley.KindUser {
		kind = ""
	}
	return member{Org: k.org, ID: k.id, Kind: kind}
}

// says adds what a principal says of itself.
func (m member) says(w word) member {
	m.Status, m.Detail, m.Said = w.status, w.detail, w.said
	return m
}

// word is what the member says; the zero word where it says nothing that this
// version knows.
func (m *member) word() word {
	if m.Said <= 0 || m.Status != parley.PresenceOnline && m.Status != parley.PresenceAway {
		return word{}
	}
	return word{m.Status, m.Detail, m.Said}
}

func (m *member) who() who { return who{m.Org, m.ID} }

func (m *member) kind() parley.PrincipalKind {
	if m.Kind == "" {
		return parley.KindUser
	}
	return m.Kind
}

func (e *entry) encode() ([]byte, error) { return json.Marshal(e) }

func decode(data []byte) (*entry, error) {
	e := new(entry)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("presence entry: %w", err)
	}
	return e, nil
}
