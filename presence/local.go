package presence

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// who is a principal of an org.
type who struct {
	org parley.OrgID
	id  parley.PrincipalID
}

// local is who is connected to this node, and what of it the roster has not been
// told yet. It holds one person for each principal with a Conn or in its grace.
type local struct {
	seed maphash.Seed

	mu    sync.Mutex
	pages [pages]page
	// leaving are the leavers in their grace, the first to have left in front.
	leaving list.List
}

type page struct {
	people  map[who]*person
	changed map[who]struct{} // came, went or said something since the last entry
	// words are what people said that nobody's page has yet; nil at first.
	words map[who]*spoken
	// written counts what the entries since the last whole one hold; whole asks for
	// one of that kind.
	written int
	whole   bool
	wholeAt time.Time
}

type person struct {
	conns int32
	agent bool
	said  int64 // the word that the page says of it, 0 for none
	// left is the place in leaving; nil while there are Conns.
	left *list.Element
}

func (x *person) kind() parley.PrincipalKind {
	if x.agent {
		return parley.KindAgent
	}
	return parley.KindUser
}

// leaver is who has no Conn any more, and since when.
type leaver struct {
	who
	at time.Time
}

const (
	// smallPage is what may be written to a page in pieces before it is written whole,
	// however few it holds.
	smallPage = 64
	// wholeInterval is after how long a page is written whole in any case: a roster may
	// forget entries after a day.
	wholeInterval = 8 * time.Hour
)

func (l *local) init() {
	l.seed = maphash.MakeSeed()
	for i := range l.pages {
		l.pages[i] = page{people: map[who]*person{}, changed: map[who]struct{}{}}
	}
}

func (l *local) page(k who) *page { return &l.pages[maphash.Comparable(l.seed, k)%pages] }

// join adds a Conn; it reports whether that is news.
func (l *local) join(k who, kind parley.PrincipalKind) (news bool) {
	p := l.page(k)
	l.mu.Lock()
	defer l.mu.Unlock()
	x := p.people[k]
	if x == nil {
		x, news = new(person), true
		p.people[k] = x
		p.changed[k] = struct{}{}
	}
	if x.left != nil {
		l.leaving.Remove(x.left)
		x.left = nil
	}
	x.agent = kind == parley.KindAgent
	x.conns++
	return news
}

// leave takes a Conn away.
func (l *local) leave(k who, now time.Time) {
	p := l.page(k)
	l.mu.Lock()
	defer l.mu.Unlock()
	x := p.people[k]
	if x == nil || x.conns == 0 {
		return
	}
	if x.conns--; x.conns == 0 {
		x.left = l.leaving.PushBack(&leaver{k, now})
	}
}

// expire lets those go who have had no Conn since before a time.
func (l *local) expire(before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for first := l.leaving.Front(); first != nil; first = l.leaving.Front() {
		gone := first.Value.(*leaver)
		if gone.at.After(before) {
			return
		}
		k := gone.who
		p := l.page(k)
		l.leaving.Remove(first)
		delete(p.people, k)
		p.changed[k] = struct{}{}
	}
}

func (l *local) has(k who) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.page(k).people[k] != nil
}

// rewrite asks for a whole entry of a page.
func (l *local) rewrite(page int) {
	if page < 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages[page].whole = true
}

// take returns the entry that brings a page of the roster up to date; false where
// it is. It is whole where that is no longer than what it takes the place of, so
// that a page's entries never hold more than twice its people. look is what the
// roster says of somebody.
func (l *local) take(i int, now time.Time, look look) (e entry, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.pages[i]
	p.settle(now, look)
	aged := len(p.people) > 0 && !p.wholeAt.IsZero() && now.Sub(p.wholeAt) > wholeInterval
	waiting := p.waiting()
	if len(p.changed) == 0 && waiting == 0 && !p.whole && !aged {
		return e, false
	}
	w := writing{page: p, look: look, left: wordBytes}
	e.whole = p.written+len(p.changed)+waiting > max(smallPage, len(p.people)) || p.wholeAt.IsZero() || p.whole || aged
	if e.whole {
		e.On = make([]member, 0, len(p.people))
		for k, x := range p.people {
			e.On = append(e.On, w.member(k, x))
		}
		p.written, p.whole, p.wholeAt = 0, false, now
	} else {
		for k := range p.changed {
			if x := p.people[k]; x != nil {
				e.On = append(e.On, w.member(k, x))
			} else {
				e.Off = append(e.Off, memberOf(k, ""))
			}
		}
		p.written += len(p.changed) + waiting
	}
	e.Words = w.words(e.whole)
	if len(p.changed) > smallPage {
		p.changed = map[who]struct{}{} // what a storm needed is given back
	} else {
		clear(p.changed)
	}
	for _, k := range w.later {
		p.changed[k] = struct{}{}
	}
	return e, true
}

// putBack has an entry that could not be written made anew.
func (l *local) putBack(i int, e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.pages[i]
	p.whole = p.whole || e.whole
	for _, list := range [][]member{e.On, e.Off, e.Words} {
		for j := range list {
			k := list[j].who()
			if said := p.words[k]; said != nil {
				said.written = false
			}
			p.changed[k] = struct{}{}
		}
	}
	for j := range e.Words { // whom the page does not have neither came nor went
		if k := e.Words[j].who(); p.people[k] == nil {
			delete(p.changed, k)
		}
	}
}
