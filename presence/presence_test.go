package presence_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
)

func TestWhoComesIsToldAtOnceAndWhoGoesAfterAGrace(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben", "cat")
		n := w.node("n1")
		n.join("ann")
		w.after(200*time.Millisecond, "ann online to ben,cat in 1")
		n.join("ann") // a second device
		n.leave("ann")
		w.after(time.Minute)
		n.leave("ann")
		w.after(grace - time.Second)
		w.after(2500*time.Millisecond, "ann offline to ben,cat in 1")
	})
}

func TestWhoIsBackWithinTheGraceNeverWasAway(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n := w.node("n1")
		n.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		written := n.Writes.Load()
		for range 50 { // a train full of tunnels
			n.leave("ann")
			w.after(grace - time.Second)
			n.join("ann")
		}
		w.after(time.Minute)
		if n.Writes.Load() != written {
			t.Errorf("%d entries were written meanwhile", n.Writes.Load()-written)
		}
		// The grace is counted from when it last left.
		n.leave("ann")
		w.after(grace - time.Second)
		n.join("ann")
		n.leave("ann")
		w.after(grace - time.Second)
		w.after(3*time.Second, "ann offline to ben in 1")
	})
}

func TestOnTwoNodesOneTells(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		n2.join("ann") // at the same moment
		w.after(time.Second, "ann online to ben in 1")
		for _, n := range []*node{n1, n2} {
			if got := n.Of(org, []parley.PrincipalID{"ann", "ben"}); got["ann"] != parley.PresenceOnline || got["ben"] != parley.PresenceOffline {
				t.Errorf("%s says %v", n.name, got)
			}
			if n.Online() != 1 {
				t.Errorf("%s counts %d", n.name, n.Online())
			}
		}
		n1.leave("ann")
		w.after(time.Minute)
		n1.join("ann")
		w.after(time.Second)
		n1.leave("ann")
		n2.leave("ann")
		w.after(time.Minute, "ann offline to ben in 1")
	})
}

// P8: what a dead node leaves behind is told by another, and of those who have
// moved to it nothing is told at all.
func TestADeadNodesPrincipalsAreToldByAnother(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben", "cat")
		n1, n2, n3 := w.node("n1"), w.node("n2"), w.node("n3")
		n1.join("ann")
		w.after(time.Second, "ann online to ben,cat in 1")
		n1.join("ben")
		w.after(time.Second, "ben online to ann,cat in 1")
		n1.kill()
		w.after(lease + grace - time.Second)
		n2.join("ben")
		w.after(10*time.Second, "ann offline to ben,cat in 1")
		if n3.Online() != 1 || n2.Online() != 1 {
			t.Errorf("n2 counts %d online, n3 %d", n2.Online(), n3.Online())
		}
		w.after(time.Minute)
	})
}

// P8: a restart is heard by nobody but for those who do not come back.
func TestARestartIsNotHeard(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben", "cat")
		n := w.node("n1")
		n.join("ann")
		w.after(time.Second, "ann online to ben,cat in 1")
		n.join("ben")
		w.after(time.Second, "ben online to ann,cat in 1")
		n.kill()
		w.after(5 * time.Second)
		n = w.node("n1-again")
		w.after(time.Second)
		if got := n.Of(org, []parley.PrincipalID{"ann"}); got["ann"] != parley.PresenceOnline {
			t.Errorf("the new life says %v", got)
		}
		n.join("ann")
		w.after(grace - time.Second)
		w.after(lease+5*time.Second, "ben offline to ann,cat in 1")
		n.leave("ann")
		w.after(grace+5*time.Second, "ann offline to ben,cat in 1")
		if left := w.roster.Len(); left > 2*16 {
			t.Errorf("%d entries are left", left)
		}
	})
}

// A drain closes every socket. Those who find another node are never away.
func TestADrainIsNotHeard(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		n1.leave("ann")
		n1.kill()
		w.after(3 * time.Second)
		n2.join("ann")
		w.after(2 * time.Minute)
	})
}

// A node that could not reach the store for long was taken for dead by the
// others. As soon as it counts as alive its principals do too.
func TestANodeThatWasTakenForDeadComesBack(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		w.store.mute("n1", true)
		w.after(lease+grace+5*time.Second, "ann offline to ben in 1")
		w.after(time.Minute)
		w.store.mute("n1", false)
		w.after(5*time.Second, "ann online to ben in 1")
		if n1.Online() != 1 || n2.Online() != 1 {
			t.Errorf("n1 counts %d online, n2 %d", n1.Online(), n2.Online())
		}
		w.after(time.Minute)
	})
}

func TestWhatFailsIsDoneLater(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n := w.node("n1")
		w.roster.Cut(true)
		n.join("ann")
		w.after(time.Minute)
		w.roster.Cut(false)
		w.after(3*time.Second, "ann online to ben in 1")
		w.bus.Cut(true)
		n.leave("ann")
		w.after(time.Minute)
		w.bus.Cut(false)
		w.after(3*time.Second, "ann offline to ben in 1")
		w.store.fail(true)
		n.join("ann")
		w.after(time.Minute)
		n.leave("ann")
		w.after(time.Minute) // it was never told to have come, and need not be told to have gone
		w.store.fail(false)
		w.after(3*time.Second, "ann offline to ben in 1")
	})
}

// A word that waited until it was no longer true is not said.
func TestStaleWordsAreNotSaid(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		w.store.fail(true)
		n1.join("ann") // n1 has to say that she is online
		w.after(time.Second)
		n2.join("ann")
		w.after(time.Second)
		n1.leave("ann")
		w.after(time.Minute)
		n2.leave("ann") // n2 has to say that she is offline
		w.after(time.Minute)
		w.store.fail(false)
		w.after(5*time.Second, "ann offline to ben in 1")
	})
}

// The words of two nodes may cross on their way. Who has just said that somebody
// went says after it that the other node has her.
func TestWordsThatMayCrossAreSaidInOrderByOne(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		n1, n2 := w.node("n1"), w.node("n2")
		n1.join("ann")
		w.after(time.Second, "ann online to ben in 1")
		n1.leave("ann")
		for n1.Told.Load() == 1 {
			time.Sleep(time.Millisecond)
		}
		n2.join("ann")
		w.after(time.Second, "ann offline to ben in 1", "ann online to ben in 1", "ann online to ben in 1")
		n2.leave("ann")
		w.after(time.Minute, "ann offline to ben in 1")
		n1.join("ann") // long after
		w.after(time.Second, "ann online to ben in 1")
	})
}

// What the roster holds follows from who is there, not from how many came and
// went; and what may be forgotten there is written anew in time.
func TestTheRosterStaysSmallAndFresh(t *testing.T) {
	in(t, func(w *world) {
		n := w.node("n1")
		for i := range 3000 {
			id := parley.PrincipalID(fmt.Sprint(i))
			n.join(id)
			n.leave(id)
			w.after(200 * time.Millisecond)
		}
		if kept := w.roster.Len(); kept > 16*64 {
			t.Errorf("%d entries are kept", kept)
		}
		n.join("ann")
		w.after(time.Minute)
		written := n.Writes.Load()
		w.after(9 * time.Hour)
		if again := n.Writes.Load() - written; again != 1 {
			t.Errorf("in nine hours %d entries were written", again)
		}
	})
}

// P8: 5,000 clients that come at once, in 1,000 conversations of 5.
func TestAStormIsWrittenAndToldInBatches(t *testing.T) {
	in(t, func(w *world) {
		const people = 5000
		id := func(i int) parley.PrincipalID { return parley.PrincipalID(fmt.Sprintf("p%04d", i)) }
		for i := 0; i < people; i += 5 {
			w.share(i/5+1, id(i), id(i+1), id(i+2), id(i+3), id(i+4))
		}
		n, other := w.node("n1"), w.node("n2")
		w.quiet = true
		for i := range people {
			n.join(id(i))
			if i%50 == 49 { // a second in all
				time.Sleep(10 * time.Millisecond)
			}
		}
		w.after(10 * time.Second)
		if got := n.Writes.Load(); got > 16*11 {
			t.Errorf("it took %d entries", got)
		}
		if told := n.Told.Load(); told != people {
			t.Errorf("told %d times", told)
		}
		if n.Online() != people || other.Online() != people {
			t.Errorf("n1 counts %d online, n2 %d", n.Online(), other.Online())
		}
		// All lose their connection, and are back within the grace, half of them elsewhere.
		writes := n.Writes.Load()
		for i := range people {
			n.leave(id(i))
		}
		w.after(10 * time.Second)
		for i := range people {
			[]*node{n, other}[i%2].join(id(i))
		}
		w.after(time.Minute)
		if told := n.Told.Load() + other.Told.Load(); told != people {
			t.Errorf("the return was told %d times", told-people)
		}
		if got := n.Writes.Load() - writes; got > 16*3 {
			t.Errorf("the return took %d entries", got)
		}
		// What is kept is never more than twice what there is.
		if kept := w.roster.Len(); kept > 16*20 {
			t.Errorf("%d entries are kept", kept)
		}
	})
}

// Who would be told by the hundred is told so in many small events, and of many
// only those who are there.
func TestManyPeers(t *testing.T) {
	in(t, func(w *world) {
		var crowd []parley.PrincipalID
		for i := range 1300 {
			crowd = append(crowd, parley.PrincipalID(fmt.Sprintf("p%04d", i)))
		}
		w.share(1, append(slices.Clone(crowd), "ann")...)
		n := w.node("n1")
		w.quiet = true
		for _, p := range crowd[:200] {
			n.join(p)
		}
		w.after(time.Minute)
		told := n.Told.Load()
		w.targets = nil
		n.join("ann")
		w.after(time.Second)
		slices.Sort(w.targets)
		if !slices.Equal(w.targets, crowd[:200]) {
			t.Errorf("told %d: %v", len(w.targets), w.targets)
		}
		if got := n.Told.Load() - told; got < 4 || got > 6 {
			t.Errorf("in %d events", got)
		}
	})
}

// Each hears of it once, under the newest conversation of those shared.
func TestWhoSharesManyConversationsIsToldOnce(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben", "cat")
		w.share(2, "ann", "ben")
		w.share(3, "ann", "demo")
		w.share(4, "ben", "dan")
		n := w.node("n1")
		n.join("ann")
		w.after(time.Second, "ann online to ben in 2", "ann online to cat in 1")
	})
}

func TestWhoHasNoPresence(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "svc", "demo", "robot", "ben")
		n := w.node("n1")
		service := &parley.Principal{Org: org, ID: "svc", Kind: parley.KindService}
		n.Joined(service)
		n.join("demo") // lives in the process, and is always there
		robot := &parley.Principal{Org: org, ID: "robot", Kind: parley.KindAgent}
		n.Joined(robot)
		w.after(time.Second, "robot (agent) online to ben,svc in 1")
		want := map[parley.PrincipalID]parley.PresenceStatus{
			"svc": parley.PresenceOffline, "demo": parley.PresenceOnline, "robot": parley.PresenceOnline, "ben": parley.PresenceOffline,
		}
		got := n.Of(org, []parley.PrincipalID{"svc", "demo", "robot", "ben"})
		for id, status := range want {
			if got[id] != status {
				t.Errorf("%s is %s", id, got[id])
			}
		}
		if elsewhere := n.Of("org_other", []parley.PrincipalID{"robot"}); elsewhere["robot"] != parley.PresenceOffline {
			t.Errorf("in another org robot is %s", elsewhere["robot"])
		}
		n.Left(service)
		n.Left(robot)
		w.after(time.Minute, "robot (agent) offline to ben,svc in 1")
	})
}

func TestGarbageInTheRosterIsPassedOver(t *testing.T) {
	in(t, func(w *world) {
		w.share(1, "ann", "ben")
		for _, e := range []parley.RosterEntry{
			{Page: "x", Data: []byte("nonsense")}, {Page: "n1/99", Data: []byte(`{"by":"x"}`)}, {Page: "n1/-1", Whole: true, Data: []byte(`{"by":"x"}`)},
		} {
			if err := w.roster.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		n := w.node("n1")
		w.after(3 * time.Second)
		n.join("ann")
		w.after(3*time.Second, "ann online to ben in 1")
	})
}

// Whatever happens on however many nodes: what was last told of somebody is true
// once things are quiet, and nobody is told to have gone who was there within the
// grace.
func TestWhatIsToldIsTrue(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { newWorld(t).wander(seed) })
	}
}
