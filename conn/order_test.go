package conn_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
)

// What a hub says to a Conn it says under its own lock, which comes before the
// Conn's: a token that is refreshed meanwhile must not take them the other way
// round. Both would wait for ever, and the org's feed for them.
func TestARefreshMeetsWhatIsSaid(t *testing.T) {
	const refreshes = 10_000
	h := openHouse(t)
	ada := h.dial("/ws/topics?token=" + h.mint("ada"))
	auth := text(`{"op":"auth","token":"` + h.mint("ada") + `"}`)
	var parts sync.WaitGroup
	over, refreshed := make(chan struct{}), make(chan struct{})
	parts.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				if h.server.Owed() < conn.MaxOwed/2 { // else ada is not listened to
					h.server.Say(parley.Pong{})
				}
			}
		}
	})
	parts.Go(func() {
		for n := 0; ; {
			_, payload, err := ada.next()
			if err != nil {
				return
			}
			if strings.Contains(payload, `"authenticated"`) {
				if n++; n == refreshes {
					close(refreshed)
				}
			}
		}
	})
	parts.Go(func() {
		for range refreshes {
			if _, err := ada.nc.Write(auth); err != nil {
				return
			}
		}
	})
	// Not t.Fatal: a server that stands still cannot be closed either.
	stuck := time.AfterFunc(30*time.Second, func() { panic("the Conn stands still: its locks were taken in two orders") })
	<-refreshed
	stuck.Stop()
	close(over)
	_ = ada.nc.Close()
	parts.Wait()
}
