package attempts

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestFailuresAreGivenBackOneByOne(t *testing.T) {
	l := New[string](30*time.Second, 3)
	for range 3 {
		if _, ok := l.Allow("ada", noon); !ok {
			t.Fatal("stopped too early")
		}
		l.Failed("ada", noon)
	}
	if wait, ok := l.Allow("ada", noon); ok || wait != 30*time.Second {
		t.Errorf("Allow says %s, %v; want 30s and no", wait, ok)
	}
	if _, ok := l.Allow("bob", noon); !ok {
		t.Error("another is stopped too")
	}
	if _, ok := l.Allow("ada", noon.Add(30*time.Second)); !ok {
		t.Error("still stopped after the time that was told")
	}
	l.Failed("ada", noon.Add(30*time.Second))
	if _, ok := l.Allow("ada", noon.Add(59*time.Second)); ok {
		t.Error("more than one came back in half a minute")
	}
	for range 1000 { // let in together
		l.Failed("ada", noon)
	}
	if wait, _ := l.Allow("ada", noon); wait > 2*time.Minute {
		t.Errorf("locked out for %s", wait)
	}
}

func TestALimiterIsBounded(t *testing.T) {
	l := New[int](time.Second, 20)
	for i := range Max + 100 {
		l.Failed(i, noon)
	}
	if l.Len() > Max {
		t.Errorf("%d keys, want at most %d", l.Len(), Max)
	}
	later := noon.Add(time.Hour) // all have everything back
	for i := range Max / 32 {
		l.Failed(-1-i, later)
	}
	if l.Len() > Max/16 {
		t.Errorf("%d keys, want the old ones forgotten", l.Len())
	}
}
