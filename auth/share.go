package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

// controlSubject is where nodes tell each other what was revoked.
const controlSubject = "control.revoked"

// newsFor is how long a revocation is told again after it was noticed. The bus may
// lose what it carries: who heard nothing for less than freshFor has missed
// nothing for good, and who heard nothing for longer asks the store.
const newsFor = 2 * freshFor

// news is a revocation and when this node came to know it.
type news struct {
	parley.Revocation
	at time.Time
}

// wireRevocation is one element of the list that a message on controlSubject is.
type wireRevocation struct {
	Org        parley.OrgID `json:"org"`
	Credential string       `json:"credential"`
	At         time.Time    `json:"at,omitzero"`
	Until      time.Time    `json:"until,omitzero"`
}

// Share puts into effect what other nodes tell over the bus of revocations, and
// tells them what this one made or found: at once, and in any case after each look
// at the store, if only to say that there is nothing new. A node that cannot reach
// the store knows by that what it must. The function returned ends it, before the
// bus is closed. Called once at most.
func (a *Authenticator) Share(bus parley.Bus) (stop func(), err error) {
	unsubscribe, err := bus.Subscribe(controlSubject, func(_, _ string, data []byte) { a.hear(data) })
	if err != nil {
		return nil, fmt.Errorf("hear of revocations: %w", err)
	}
	a.setBus(bus)
	return func() {
		a.setBus(nil)
		unsubscribe()
	}, nil
}

func (a *Authenticator) setBus(bus parley.Bus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bus = bus
}

// hear takes a message of a node that has just asked the store.
func (a *Authenticator) hear(data []byte) {
	var told []wireRevocation
	if err := json.Unmarshal(data, &told); err != nil {
		a.log.Warn("what was told of revocations cannot be read", "error", err)
		return
	}
	list := make([]parley.Revocation, len(told))
	for i, r := range told {
		list[i] = parley.Revocation(r)
	}
	a.Apply(list...)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Fresh() {
		a.knows(time.Now())
	}
}

// tell tells the other nodes what is new. The store has just answered.
func (a *Authenticator) tell() {
	now := time.Now()
	a.mu.Lock()
	bus := a.bus
	old := 0
	for old < len(a.news) && now.Sub(a.news[old].at) > newsFor {
		old++
	}
	a.news = append([]news(nil), a.news[old:]...)
	list := a.news
	a.mu.Unlock()
	if bus == nil {
		return
	}
	for _, message := range messages(list) {
		// A bus that is away says so itself; the others have the store, as we do.
		if bus.Publish(controlSubject, message) != nil {
			return
		}
	}
}

// messages spells a list in as many messages as the bus needs, one at least.
func messages(list []news) (all [][]byte) {
	message := []byte{'['}
	for _, n := range list {
		one, err := json.Marshal(wireRevocation(n.Revocation))
		if err != nil {
			continue // a year that JSON has no number for
		}
		if len(message)+len(one)+2 > parley.MaxBusMessage {
			all = append(all, append(message, ']'))
			message = []byte{'['}
		}
		if len(message) > 1 {
			message = append(message, ',')
		}
		message = append(message, one...)
	}
	return append(all, append(message, ']'))
}
