package logging

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestABusyLogIsWrittenInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := NewBuffer(&out)
		log := New(b, "text", slog.LevelInfo).With("node", "n1")
		lines := func(want int, when string) {
			t.Helper()
			synctest.Wait()
			b.mu.Lock() // the timer's goroutine writes too
			defer b.mu.Unlock()
			if got := strings.Count(out.String(), "\n"); got != want {
				t.Errorf("%s: %d lines are written, want %d", when, got, want)
			}
		}
		log.Info("one")
		lines(1, "after a quiet time")
		log.Info("two")
		log.Info("three")
		lines(1, "while busy")
		time.Sleep(bufferTime)
		lines(3, "100 ms later")
		log.Info("four")
		lines(3, "still busy")
		log.Warn("five")
		lines(5, "with a warning")
		time.Sleep(2 * bufferTime)
		log.Info("six")
		lines(6, "after a quiet time again")
		for range 3000 {
			log.Info("much")
		}
		synctest.Wait()
		if n := out.Len(); n < bufferSize || n > 4*bufferSize {
			t.Errorf("%d bytes are written of what is too much to wait", n)
		}
		log.Info("last")
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		lines(3007, "closed")
		log.Info("later")
		lines(3008, "after the end")
		if !strings.Contains(out.String(), "node=n1") {
			t.Error("attributes are lost")
		}
	})
}
