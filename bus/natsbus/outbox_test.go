package natsbus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// wire records what an outbox sends; while held, a send waits.
type wire struct {
	hold chan struct{} // a send takes one; nil: none waits
	sent []string      // "subject: m1 m2"
}

func (w *wire) send(subject string, data []byte) error {
	if w.hold != nil {
		<-w.hold
	}
	list, err := unpack(data)
	if err != nil {
		return err
	}
	w.sent = append(w.sent, fmt.Sprintf("%s: %s", subject, bytes.Join(list, []byte(" "))))
	return nil
}

func TestWhatComesWhileOneIsSentGoesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wire{hold: make(chan struct{})}
		o := newOutbox(w.send, nil)
		put := func(subject, m string) {
			if !o.put(subject, []byte(m)) {
				t.Error("an open outbox refuses")
			}
		}
		put("a", "1")
		synctest.Wait() // it is being sent
		for _, m := range []string{"2", "3"} {
			put("a", m)
			put("b", m)
		}
		large := string(bytes.Repeat([]byte("x"), packBytes))
		put("a", large)
		put("a", "4")
		close(w.hold)
		o.close()
		want := []string{"a: 1", "a: 2 3", "b: 2 3", "a: " + large, "a: 4"}
		if !slices.Equal(w.sent, want) {
			t.Errorf("sent %.40q, want %.40q", w.sent, want)
		}
		if o.put("a", nil) {
			t.Error("a closed outbox takes a message")
		}
		o.close()
	})
}

func TestAFullOutboxHoldsUpThePublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wire{hold: make(chan struct{})}
		o := newOutbox(w.send, nil)
		data := make([]byte, outboxBytes/4)
		put := 0
		go func() {
			for o.put("a", data) {
				put++
			}
		}()
		synctest.Wait()
		if put != 4 {
			t.Errorf("%d messages of a quarter of the room were taken", put)
		}
		w.hold <- struct{}{}
		synctest.Wait()
		if put != 5 {
			t.Errorf("%d were taken once one was sent", put)
		}
		go func() { // closing lets the publisher go, and sends what it had put
			for range 4 {
				w.hold <- struct{}{}
			}
		}()
		o.close()
		synctest.Wait()
		if len(w.sent) != put {
			t.Errorf("%d sent, %d put", len(w.sent), put)
		}
	})
}

func TestALostPackIsTold(t *testing.T) {
	trouble := errors.New("the connection went")
	var told string
	o := newOutbox(
		func(string, []byte) error { return trouble },
		func(subject string, count int, err error) { told = fmt.Sprint(subject, count, err == trouble) },
	)
	o.put("a", []byte("x"))
	o.flush()
	o.close()
	if told != "a1 true" {
		t.Errorf("told %q", told)
	}
}
