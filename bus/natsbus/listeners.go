package natsbus

import (
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// listeners are the subscriptions of a Bus, by what they hear. Its lock is taken
// before that of a subscription, and nothing is called while it is held that
// waits.
type listeners struct {
	mu     sync.RWMutex
	exact  map[string][]*subscription
	stars  []*subscription // whose subject has a `*`
	remote map[*nats.Subscription]*subscription
	// dropped is what nats.go dropped of those that were removed.
	dropped uint64
	closed  bool
}

// add reports false once the listeners are closed.
func (l *listeners) add(s *subscription) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.exact == nil {
		l.exact, l.remote = map[string][]*subscription{}, map[*nats.Subscription]*subscription{}
	}
	if strings.Contains(s.subject, "*") {
		l.stars = append(l.stars, s)
	} else {
		l.exact[s.subject] = append(l.exact[s.subject], s)
	}
	if s.sub != nil {
		l.remote[s.sub] = s
	}
	return true
}

// remove forgets a subscription; dropped is what nats.go dropped of it.
func (l *listeners) remove(s *subscription, dropped uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += dropped
	delete(l.remote, s.sub)
	if i := slices.Index(l.stars, s); i >= 0 {
		l.stars = slices.Delete(l.stars, i, i+1)
	}
	same := l.exact[s.subject]
	if i := slices.Index(same, s); i >= 0 {
		same = slices.Delete(same, i, i+1)
	}
	if len(same) > 0 {
		l.exact[s.subject] = same
	} else {
		delete(l.exact, s.subject)
	}
}

// publish gives a message of this process to those that listen, and says how many
// they are and whether one of them is behind.
func (l *listeners) publish(subject, reply string, data []byte) (heard int, behind bool) {
	d := delivery{subject: subject, reply: reply, data: data}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.exact[subject] {
		behind = s.push(d) || behind
		heard++
	}
	for _, s := range l.stars {
		if matches(s.subject, subject) {
			behind = s.push(d) || behind
			heard++
		}
	}
	return heard, behind
}

// receive gives a message of another process to the one it was sent for.
func (l *listeners) receive(m *nats.Msg) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s := l.remote[m.Sub]; s != nil { // else not yet, or no longer
		s.push(delivery{m.Subject, m.Reply, m.Data, true})
	}
}

// lost is what nats.go dropped because nobody took it from the connection.
func (l *listeners) lost() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	n := l.dropped
	for _, s := range l.remote {
		n += s.lost()
	}
	return n
}

// close lets no more in, and lists those that are.
func (l *listeners) close() []*subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	list := slices.Clone(l.stars)
	for _, same := range l.exact {
		list = append(list, same...)
	}
	return list
}

// matches reports whether a pattern stands for a subject: both valid.
func matches(pattern, subject string) bool {
	for {
		p, patternRest, patternMore := strings.Cut(pattern, ".")
		s, subjectRest, subjectMore := strings.Cut(subject, ".")
		if p != "*" && p != s || patternMore != subjectMore {
			return false
		}
		if !patternMore {
			return true
		}
		pattern, subject = patternRest, subjectRest
	}
}
