package presence

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

const (
	// wordInterval is the shortest time between two words of a principal: who says
	// away and online in turns is heard with the last of them.
	wordInterval = 2 * time.Second
	// wordWait is how long the word of somebody who is not online waits for its Conn,
	// which may be on another node, on its way into the roster.
	wordWait = 5 * time.Second
	// wordBytes bounds what the words of one entry take, in bytes: those that are left
	// over follow in the next.
	wordBytes = 64 << 10
)

// word is what a principal says of itself. The zero word says nothing: whoever is
// connected is online.
type word struct {
	status parley.PresenceStatus // online or away
	detail string
	// said is when, in microseconds since 1970, but always after the word before it:
	// of two the later holds, in whichever order they are read.
	said int64
}

// after reports whether w takes the place of another.
func (w word) after(other word) bool {
	if w.said != other.said {
		return w.said > other.said
	}
	if w.status != other.status { // of two nodes, in the same microsecond
		return w.status > other.status
	}
	return w.detail > other.detail
}

// same reports whether two words tell the same.
func (w word) same(other word) bool {
	return (w.status == parley.PresenceAway) == (other.status == parley.PresenceAway) && w.detail == other.detail
}

// size is about what it takes in an entry.
func (w word) size() int { return 2*len(w.detail) + 64 }

// Say notes what a principal says of itself (contracts.md C16): online or away, and
// a detail of at most parley.MaxPresenceDetail bytes in words of its own, which may
// be empty. It holds on all nodes from the next entry of the roster on, until the
// principal says something else or goes offline. The word of somebody who is not
// connected to any node is forgotten, unless it connects within 5 s. The error is an
// *Error with CodeInvalidArgument, or CodeForbidden for who has no presence of its
// own. It does no I/O and never waits for any.
func (s *Service) Say(p *parley.Principal, status parley.PresenceStatus, detail string) error {
	switch {
	case !s.counts(p):
		return parley.Errorf(parley.CodeForbidden, "only users, and agents that connect, have a presence of their own")
	case status != parley.PresenceOnline && status != parley.PresenceAway:
		return &parley.Error{Code: parley.CodeInvalidArgument, Field: "status", Message: "status must be online or away"}
	case len(detail) > parley.MaxPresenceDetail:
		return &parley.Error{Code: parley.CodeInvalidArgument, Field: "status_detail", Message: "status_detail is too long"}
	case !utf8.ValidString(detail) || strings.ContainsFunc(detail, unicode.IsControl):
		return &parley.Error{Code: parley.CodeInvalidArgument, Field: "status_detail", Message: "status_detail must be text of one line"}
	}
	s.local.say(who{p.Org, p.ID}, word{status: status, detail: detail}, time.Now())
	s.poke()
	return nil
}

// spoken is a word that this node was told. It stays until the page of somebody who
// has the principal says it: what is written here could be lost with this node.
type spoken struct {
	word    // said is 0 until it is written for the first time
	at      time.Time
	written bool // since the page was last whole
}

// look is what the roster says of somebody.
type look func(who) (online bool, h heard)

func (l *local) say(k who, w word, now time.Time) {
	p := l.page(k)
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.words == nil {
		p.words = map[who]*spoken{}
	}
	p.words[k] = &spoken{word: w, at: now}
}

// look tells whether somebody is here, and what it told this node that may not be
// in the roster yet; nil for nothing.
func (l *local) look(k who) (here bool, said *word) {
	p := l.page(k)
	l.mu.Lock()
	defer l.mu.Unlock()
	if told := p.words[k]; told != nil {
		w := told.word
		said = &w
	}
	return p.people[k] != nil, said
}

// settle decides which words are to be written now: waiting ones of people who are
// here are theirs to carry, and make them changed.
func (p *page) settle(now time.Time, look look) {
	for k, told := range p.words {
		if told.written {
			continue
		}
		here := p.people[k] != nil
		online, before := look(k)
		switch {
		case !here && !online:
			if now.Sub(told.at) > wordWait {
				delete(p.words, k)
			}
			continue
		case told.said != 0: // it was on its way before
		case told.same(before.word):
			delete(p.words, k)
			continue
		case now.Sub(before.at) < wordInterval:
			continue
		default:
			told.said = max(now.UnixMicro(), before.said+1)
		}
		if here {
			p.changed[k] = struct{}{}
		}
	}
}

// waiting counts the words to be written of people who are not here.
func (p *page) waiting() (n int) {
	for k, told := range p.words {
		if told.said != 0 && !told.written && p.people[k] == nil {
			n++
		}
	}
	return n
}

// writing is an entry that is being made.
type writing struct {
	page  *page
	look  look
	left  int   // of wordBytes
	later []who // here, whose words were left over
}

// fits takes what a word needs from what is left.
func (w *writing) fits(said word) bool {
	if said.size() > w.left {
		return false
	}
	w.left -= said.size()
	return true
}

// member is somebody who is here, with the latest that it said to any node.
func (w *writing) member(k who, x *person) member {
	m := memberOf(k, x.kind())
	_, h := w.look(k)
	said, told := h.word, w.page.words[k]
	if told != nil && told.after(said) {
		said = told.word
	}
	if said.said == 0 {
		return m
	}
	if !w.fits(said) {
		w.later = append(w.later, k)
		return m
	}
	if told != nil && told.said != 0 {
		told.written = true
	}
	x.said = said.said
	return m.says(said)
}

// words are those of people who are not here: the waiting ones, and for a whole
// page all that nobody else has yet.
func (w *writing) words(whole bool) (list []member) {
	for k, told := range w.page.words {
		if told.said == 0 || w.page.people[k] != nil || told.written && !whole {
			continue
		}
		if told.written = w.fits(told.word); told.written {
			list = append(list, memberOf(k, "").says(told.word))
		}
	}
	return list
}

// heard takes in what an entry says that people said; it reports whether pages of
// this node have to say it too.
func (l *local) heard(e *entry) (news bool) {
	for i := range e.On {
		news = e.On[i].Said != 0 && l.echo(&e.On[i], true) || news
	}
	for i := range e.Words {
		news = e.Words[i].Said != 0 && l.echo(&e.Words[i], false) || news
	}
	return news
}

// echo takes in one word. held says that a page has it which has the principal: it
// need not be kept here for others.
func (l *local) echo(m *member, held bool) (news bool) {
	k := m.who()
	p := l.page(k)
	l.mu.Lock()
	defer l.mu.Unlock()
	if told := p.words[k]; told != nil && held && told.said != 0 && told.said <= m.Said {
		delete(p.words, k)
	}
	if x := p.people[k]; x != nil && x.said < m.Said {
		p.changed[k] = struct{}{}
		return true
	}
	return false
}

// gone takes in that the roster has nobody any more: what it said is forgotten. But
// where it is here all the same, as another took this node for dead, the word is
// kept until the page is written again.
func (l *local) gone(c *change, own bool) {
	p := l.page(c.who)
	l.mu.Lock()
	defer l.mu.Unlock()
	told := p.words[c.who]
	switch {
	case !own && p.people[c.who] != nil:
		if told != nil {
			told.written = false
		} else if c.word.said != 0 {
			if p.words == nil {
				p.words = map[who]*spoken{}
			}
			p.words[c.who] = &spoken{word: c.word, at: c.at}
		}
	case told != nil && told.written:
		delete(p.words, c.who)
	}
}
