package auth

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailureLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewFailureLimiter(20)
		guesser, neighbour := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for i := range 20 {
			if _, ok := l.Allow(guesser); !ok {
				t.Fatalf("stopped after %d failures, want 20", i)
			}
			l.Failed(guesser)
		}
		wait, ok := l.Allow(guesser)
		if ok || wait != 50*time.Millisecond {
			t.Fatalf("Allow says %s, %v; want 50ms and no", wait, ok)
		}
		if _, ok := l.Allow(neighbour); !ok {
			t.Error("the neighbour is stopped too")
		}
		if _, ok := l.Allow(netip.MustParseAddr("::ffff:192.0.2.1")); ok {
			t.Error("the mapped spelling of the address has a bucket of its own")
		}
		time.Sleep(wait)
		if _, ok := l.Allow(guesser); !ok {
			t.Error("still stopped after the time it was told")
		}
		for range 1000 { // all at once, let in together
			l.Failed(guesser)
		}
		time.Sleep(1050 * time.Millisecond)
		if wait, ok := l.Allow(guesser); !ok {
			t.Errorf("a second later still stopped, for %s", wait)
		}
	})
}

func TestFailureLimiterCountsAnIPv6NetworkAsOne(t *testing.T) {
	l := NewFailureLimiter(1)
	l.Failed(netip.MustParseAddr("2001:db8::1"))
	if _, ok := l.Allow(netip.MustParseAddr("2001:db8::ffff:1%eth0")); ok {
		t.Error("another address of the same /64 is let in")
	}
	if _, ok := l.Allow(netip.MustParseAddr("2001:db8:0:1::1")); !ok {
		t.Error("the next /64 is stopped")
	}
	l.Failed(netip.Addr{}) // no address: one bucket for all of them
	if _, ok := l.Allow(netip.Addr{}); ok {
		t.Error("those without an address are not limited")
	}
}
