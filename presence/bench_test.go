//go:build unix

package presence_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/presence"
	"github.com/parley-chat/parley/store/sqlite"
)

// What a Conn pays when it is let in and when it ends, with 10,000 others there.
func BenchmarkJoinAndLeave(b *testing.B) {
	s := presence.New(presence.Config{Grace: grace, Agents: []parley.PrincipalID{"demo"}})
	people := make([]parley.Principal, 10_000)
	for i := range people {
		people[i] = parley.Principal{Org: org, ID: parley.PrincipalID(fmt.Sprintf("user_%05d", i)), Kind: parley.KindUser}
		s.Joined(&people[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := &people[i%len(people)]
		s.Left(p)
		s.Joined(p)
	}
}

// What a storm of 5,000 newcomers in 1,000 conversations of five costs in all, on
// the embedded store and bus: processor time by the head, with everything that is
// written, read back, looked up and told.
func BenchmarkStorm(b *testing.B) {
	const people = 5000
	store, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "parley.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	bus, err := natsbus.Open(b.Context(), natsbus.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer bus.Close()
	roster, err := bus.Roster(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	id := func(i int) parley.PrincipalID { return parley.PrincipalID(fmt.Sprintf("user_%05d", i)) }
	if err := store.Update(b.Context(), func(tx parley.Tx) error { return settle(tx, people, id) }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		node := fmt.Sprint(time.Now().UnixNano())
		s := presence.New(presence.Config{
			Store: store, Bus: bus, Roster: roster, IDs: new(world), Node: node, Grace: time.Hour, Members: 1000,
		})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Run(ctx) }()
		before := cpu()
		for i := range people {
			s.Joined(&parley.Principal{Org: org, ID: id(i), Kind: parley.KindUser})
		}
		for s.Told.Load() < people {
			pause := time.NewTimer(10 * time.Millisecond)
			<-pause.C
		}
		b.ReportMetric(float64((cpu()-before).Microseconds())/people, "cpu-us/join")
		b.ReportMetric(float64(s.Writes.Load()), "entries")
		cancel()
		<-done
		for page := range 16 { // the next round begins with nobody there
			_ = roster.Append(b.Context(), parley.RosterEntry{Page: fmt.Sprintf("%s/%d", node, page), Whole: true, Data: []byte(`{"by":"x"}`)})
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// settle puts people into conversations of five.
func settle(tx parley.Tx, people int, id func(int) parley.PrincipalID) error {
	for i := 0; i < people; i += 5 {
		var c parley.Conversation
		c.Org, c.Kind, c.Status, c.CreatedAt = org, parley.KindGroup, parley.StatusActive, time.Now()
		binary.BigEndian.PutUint64(c.ID[8:], uint64(i+1))
		if err := tx.InsertConversation(&c); err != nil {
			return err
		}
		for j := range 5 {
			m := parley.Membership{Org: org, Conversation: c.ID, Principal: id(i + j), Kind: parley.KindUser, Role: parley.RoleMember, From: 1, FromSeq: 1}
			if err := tx.InsertMember(&m); err != nil {
				return err
			}
		}
	}
	return nil
}
