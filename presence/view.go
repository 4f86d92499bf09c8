package presence

import (
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// view is what the roster says: who is on which page of which node.
type view struct {
	mu     sync.RWMutex
	pages  map[string]map[who]parley.PrincipalKind // none is empty
	online map[who]int                             // on how many pages, never 0
}

// change is that a principal came online or went offline.
type change struct {
	who
	kind   parley.PrincipalKind
	online bool
	at     time.Time
}

func (v *view) init() {
	v.pages, v.online = map[string]map[who]parley.PrincipalKind{}, map[who]int{}
}

// apply takes an entry in and returns what changed by it.
func (v *view) apply(name string, whole bool, e *entry, now time.Time) (changes []change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	page := v.pages[name]
	if page == nil {
		page = make(map[who]parley.PrincipalKind, len(e.On))
	}
	come := func(m *member) {
		k := m.who()
		if _, there := page[k]; there {
			return
		}
		page[k] = m.kind()
		if v.online[k]++; v.online[k] == 1 {
			changes = append(changes, change{k, m.kind(), true, now})
		}
	}
	goes := func(k who) {
		kind, there := page[k]
		if !there {
			return
		}
		delete(page, k)
		if v.online[k]--; v.online[k] == 0 {
			delete(v.online, k)
			changes = append(changes, change{k, kind, false, now})
		}
	}
	if whole {
		stays := make(map[who]struct{}, len(e.On))
		for i := range e.On {
			stays[e.On[i].who()] = struct{}{}
		}
		for k := range page {
			if _, ok := stays[k]; !ok {
				goes(k)
			}
		}
	}
	for i := range e.Off {
		goes(e.Off[i].who())
	}
	for i := range e.On {
		come(&e.On[i])
	}
	if len(page) == 0 {
		delete(v.pages, name)
	} else {
		v.pages[name] = page
	}
	return changes
}

func (v *view) has(k who) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.online[k] > 0
}

func (v *view) len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.online)
}

// nodes lists the pages that are not empty by their node.
func (v *view) nodes() map[string][]string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	nodes := map[string][]string{}
	for name := range v.pages {
		node, _ := splitPage(name)
		nodes[node] = append(nodes[node], name)
	}
	return nodes
}
