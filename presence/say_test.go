package presence_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/presence"
)

const (
	online  = parley.PresenceOnline
	away    = parley.PresenceAway
	offline = parley.PresenceOffline
)

func TestWhatOneSaysOfOneselfIsToldAndHoldsOnAllNodes(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben", "cat")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		n2.join("ann")
		w.after(time.Second, "ann online to ben,cat in 1")
		n1.say("ann", away, "at lunch")
		w.agree("ann", away, n1) // at once where it was said
		w.after(time.Second, "ann away (at lunch) to ben,cat in 1")
		w.agree("ann", away, n1, n2)
		n2.say("ann", away, "at lunch") // no news
		w.after(time.Minute)
		n2.say("ann", away, "in the train")
		w.after(time.Second, "ann away (in the train) to ben,cat in 1")
		n1.join("ann") // another device changes nothing
		w.after(time.Minute)
		n1.say("ann", online, "")
		w.after(time.Second, "ann online to ben,cat in 1")
		w.agree("ann", online, n1, n2)
		n1.say("ann", online, "busy")
		w.after(time.Second, "ann online (busy) to ben,cat in 1")
	})
}

func TestAWordOutlivesAReconnectAndNotTheGrace(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		n1.say("ann", away, "")
		w.after(time.Second, "ann away to ben in 1")
		n1.leave("ann")
		w.after(grace - time.Second)
		n2.join("ann")
		w.after(time.Minute) // n1 has let go of her by now
		w.agree("ann", away, n1, n2)
		n2.leave("ann")
		w.after(time.Minute, "ann offline to ben in 1")
		w.agree("ann", offline, n1, n2)
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		w.agree("ann", online, n1, n2)
	})
}

// Who changes its mind all the time is heard with what it said last.
func TestAwayAndBackInTurnsIsToldOnce(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n := w.node("n1")
		n.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		for i := range 10 {
			n.say("ann", []parley.PresenceStatus{away, online}[i%2], "")
			time.Sleep(10 * time.Millisecond)
		}
		w.after(5*time.Second, "ann away to ben in 1", "ann online to ben in 1")
		for range 10 {
			n.say("ann", away, "")
			n.say("ann", online, "")
		}
		w.after(5 * time.Second)
	})
}

// A word may reach a node that does not have its principal. It is kept by those
// that do, so that neither the death of the one nor of the other loses it.
func TestAWordSaidElsewhereIsKeptByWhoHasThePrincipal(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2, n3 := w.node("n1"), w.node("n2"), w.node("n3")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		n2.say("ann", away, "")
		w.after(time.Second, "ann away to ben in 1")
		w.agree("ann", away, n1, n2, n3)
		n2.kill()
		w.after(time.Minute)
		n3.join("ann")
		w.after(time.Second)
		n1.kill()
		w.after(time.Minute)
		n4 := w.node("n4")
		w.after(time.Second)
		w.agree("ann", away, n3, n4)
	})
}

// P8: a restart is heard by nobody, and takes back nothing that was said.
func TestAWordOutlivesARestart(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n := w.node("n1")
		n.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		n.say("ann", away, "")
		w.after(time.Second, "ann away to ben in 1")
		n.kill()
		n = w.node("n1-again")
		w.after(time.Second)
		n.join("ann")
		w.after(time.Minute)
		w.agree("ann", away, n)
	})
}

func TestANodeThatWasTakenForDeadStillKnowsWhatWasSaid(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		n1.say("ann", away, "at lunch")
		w.after(time.Second, "ann away (at lunch) to ben in 1")
		w.store.mute("n1", true)
		w.after(lease+grace+5*time.Second, "ann offline to ben in 1")
		w.store.mute("n1", false)
		w.after(5*time.Second, "ann away (at lunch) to ben in 1")
		w.agree("ann", away, n1, n2)
	})
}

func TestTheWordOfWhoIsNotConnectedWaitsAMoment(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n2.say("ann", away, "")
		w.agree("ann", offline, n1, n2)
		w.after(time.Second)
		n1.join("ann")
		w.after(3*time.Second, "ann online to ben in 1", "ann away to ben in 1")
		n2.say("ben", away, "")
		w.after(10 * time.Second)
		n2.join("ben")
		w.after(time.Second, "ben online to ann in 1")
		n1.say("cat", away, "") // on the node to which she connects she never was online
		n1.join("cat")
		w.after(10 * time.Second)
		w.agree("cat", away, n1, n2)
	})
}

// The roster forgets what was on a page before it is written whole. What was said
// is not among that, however much it is.
func TestWholePagesKeepWhatWasSaid(t *testing.T) {
	in(t, func(w *world) {
		const people = 2000
		id := func(i int) parley.PrincipalID { return parley.PrincipalID(fmt.Sprintf("p%04d", i)) }
		n := w.node("n1")
		for i := range people {
			n.join(id(i))
		}
		w.after(time.Second)
		for i := range people {
			n.say(id(i), away, strings.Repeat("<", parley.MaxPresenceDetail-4)+string(id(i))[1:])
		}
		w.after(time.Minute)
		w.after(9 * time.Hour) // all pages are written anew
		var mu sync.Mutex
		details := regexp.MustCompile(`"d":"[^"]{100,}"`)
		kept := map[string]bool{}
		stop, err := w.roster.Watch(t.Context(), func(e parley.RosterEntry) {
			mu.Lock()
			defer mu.Unlock()
			for _, said := range details.FindAllString(string(e.Data), -1) {
				kept[said] = true
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		late := w.node("n2")
		w.after(time.Second)
		stop()
		if len(kept) != people {
			t.Errorf("%d of %d details are kept", len(kept), people)
		}
		for i := range people {
			w.agree(id(i), away, late)
		}
		if entries := w.roster.Len(); entries > 16*10 {
			t.Errorf("in %d entries", entries)
		}
	})
}

func TestAWordOutlivesWhatFails(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		w.roster.Cut(true)
		n2.say("ann", away, "")
		w.after(time.Minute)
		w.roster.Cut(false)
		w.after(3*time.Second, "ann away to ben in 1")
		w.roster.Cut(true)
		n1.say("ann", online, "")
		w.after(time.Minute)
		w.agree("ann", online, n1)
		w.roster.Cut(false)
		w.after(3*time.Second, "ann online to ben in 1")
	})
}

func TestWhatCannotBeSaid(t *testing.T) {
	s := presence.New(presence.Config{Grace: grace, Agents: []parley.PrincipalID{"demo"}})
	user := &parley.Principal{Org: org, ID: "ann", Kind: parley.KindUser}
	for _, c := range []struct {
		name   string
		who    *parley.Principal
		status parley.PresenceStatus
		detail string
		want   parley.Code
	}{
		{"a back end", &parley.Principal{Org: org, ID: "svc", Kind: parley.KindService}, away, "", parley.CodeForbidden},
		{"an agent of the process", &parley.Principal{Org: org, ID: "demo", Kind: parley.KindAgent}, away, "", parley.CodeForbidden},
		{"offline", user, offline, "", parley.CodeInvalidArgument},
		{"nothing", user, "", "", parley.CodeInvalidArgument},
		{"too much", user, away, strings.Repeat("x", 257), parley.CodeInvalidArgument},
		{"two lines", user, away, "a\nb", parley.CodeInvalidArgument},
		{"no text", user, away, "\xff", parley.CodeInvalidArgument},
	} {
		var e *parley.Error
		if err := s.Say(c.who, c.status, c.detail); !errors.As(err, &e) || e.Code != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := s.Say(user, away, strings.Repeat("x", 256)); err != nil {
		t.Error(err)
	}
}
