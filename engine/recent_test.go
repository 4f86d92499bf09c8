package engine

import "testing"

func TestRecentKeepsWhatIsUsed(t *testing.T) {
	r := newRecent[int, int](10)
	r.put(-1, 7)
	for i := range 1000 {
		if v, ok := r.get(-1, nil); !ok || v != 7 {
			t.Fatalf("a key that is used was forgotten after %d others", i)
		}
		if v, _ := r.get(i, func() int { return 2 * i }); v != 2*i {
			t.Fatalf("made %d for %d", v, i)
		}
		if n := len(r.young) + len(r.old); n > 20 {
			t.Fatalf("%d keys are kept", n)
		}
	}
	if _, ok := r.get(0, nil); ok {
		t.Error("a key that is not used was kept")
	}
}
