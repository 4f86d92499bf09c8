package bustest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
)

// Roster runs the suite of parley.Roster.
func Roster(t *testing.T, open func(t *testing.T) parley.Roster) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, r parley.Roster)
	}{
		{"a watcher hears what was kept, then what comes", testRosterWatch},
		{"whoever comes later does not hear what became void", testRosterVoid},
		{"a page is any text", testRosterPages},
		{"all watchers hear one order", testRosterOrder},
		{"an entry is as large as a message", testRosterLargest},
		{"nothing is heard after stop", testRosterStop},
		{"nothing is kept for a context that has ended", testRosterContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func write(t *testing.T, r parley.Roster, page, data string, whole bool) {
	t.Helper()
	if err := r.Append(within(t), parley.RosterEntry{Page: page, Data: []byte(data), Whole: whole}); err != nil {
		t.Fatalf("Append to %q: %v", page, err)
	}
}

// watch collects what a watcher hears, as page=data, with a ! where it is whole.
func watch(t *testing.T, r parley.Roster) (heard <-chan string, stop func()) {
	t.Helper()
	ch := make(chan string, 64<<10)
	stop, err := r.Watch(within(t), func(e parley.RosterEntry) {
		text := e.Page + "=" + string(e.Data)
		if e.Whole {
			text += "!"
		}
		ch <- text
	})
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	t.Cleanup(stop)
	return ch, stop
}

func hears(t *testing.T, heard <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := receive(t, heard, w); got != w {
			t.Fatalf("heard %.100s, want %.100s", got, w)
		}
	}
}

func testRosterWatch(t *testing.T, r parley.Roster) {
	write(t, r, "a", "1", true)
	write(t, r, "b", "2", false)
	heard, _ := watch(t, r)
	hears(t, heard, "a=1!", "b=2")
	write(t, r, "a", "3", false)
	hears(t, heard, "a=3") // a whole page may take the place of what was not heard yet
	write(t, r, "a", "", true)
	hears(t, heard, "a=!")
}

func testRosterVoid(t *testing.T, r parley.Roster) {
	write(t, r, "a", "1", false)
	write(t, r, "b", "2", false)
	write(t, r, "a", "3", true)
	write(t, r, "a", "4", false)
	heard, _ := watch(t, r)
	hears(t, heard, "b=2", "a=3!", "a=4")
}

func testRosterPages(t *testing.T, r parley.Roster) {
	pages := []string{"host.example-1/0", "*", ">", "with space", "日本", strings.Repeat("x", 256)}
	for _, p := range pages {
		write(t, r, p, "old", false)
		write(t, r, p, "new", true)
	}
	heard, _ := watch(t, r)
	for _, p := range pages {
		hears(t, heard, p+"=new!")
	}
}

func testRosterOrder(t *testing.T, r parley.Roster) {
	const writers, each = 4, 50
	first, _ := watch(t, r)
	second, _ := watch(t, r)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if err := r.Append(t.Context(), parley.RosterEntry{Page: fmt.Sprint(w), Data: fmt.Append(nil, n)}); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	var all [2][]string
	for i, heard := range []<-chan string{first, second} {
		for range writers * each {
			all[i] = append(all[i], receive(t, heard, "an entry"))
		}
	}
	if !slices.Equal(all[0], all[1]) {
		t.Error("two watchers heard two orders")
	}
	late, _ := watch(t, r)
	hears(t, late, all[0]...)
}

func testRosterLargest(t *testing.T, r parley.Roster) {
	write(t, r, "a", strings.Repeat("x", parley.MaxBusMessage), true)
	err := r.Append(within(t), parley.RosterEntry{Page: "a", Data: bytes.Repeat([]byte("y"), parley.MaxBusMessage+1), Whole: true})
	if err == nil {
		t.Error("a larger one is taken")
	}
	heard, _ := watch(t, r)
	hears(t, heard, "a="+strings.Repeat("x", parley.MaxBusMessage)+"!")
}

func testRosterStop(t *testing.T, r parley.Roster) {
	heard, stop := watch(t, r)
	other, _ := watch(t, r)
	write(t, r, "a", "1", false)
	hears(t, heard, "a=1")
	stop()
	stop()
	write(t, r, "a", "2", false)
	hears(t, other, "a=1", "a=2")
	if len(heard) > 0 {
		t.Errorf("heard %q", <-heard)
	}
}

func testRosterContext(t *testing.T, r parley.Roster) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Append(ctx, parley.RosterEntry{Page: "a", Data: []byte("1")}); err == nil {
		t.Error("it is taken")
	}
	write(t, r, "b", "2", false)
	heard, _ := watch(t, r)
	hears(t, heard, "b=2")
}
