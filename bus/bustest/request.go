package bustest

import (
	"context"
	"testing"

	"github.com/parley-chat/parley"
)

func testRequest(t *testing.T, b parley.Bus) {
	subscribe(t, b, "ask.*", func(subject, reply string, data []byte) {
		if reply == "" {
			t.Error("a request came without a reply subject")
		}
		_ = b.Publish(reply, append([]byte(subject+" "), data...))
	})
	got, err := b.Request(within(t), "ask.time", []byte("now"))
	if err != nil || string(got) != "ask.time now" {
		t.Errorf("Request = %q, %v", got, err)
	}
}

func testRequestWithin(t *testing.T, b parley.Bus) {
	ctx := within(t)
	subscribe(t, b, "inner", func(_, reply string, _ []byte) { _ = b.Publish(reply, []byte("inner")) })
	subscribe(t, b, "outer", func(_, reply string, _ []byte) {
		got, err := b.Request(ctx, "inner", nil)
		if err != nil {
			t.Errorf("Request within a callback: %v", err)
		}
		_ = b.Publish(reply, append(got, " and outer"...))
	})
	got, err := b.Request(ctx, "outer", nil)
	if err != nil || string(got) != "inner and outer" {
		t.Errorf("Request = %q, %v", got, err)
	}
}

func testNobodyListens(t *testing.T, b parley.Bus) {
	ctx := within(t)
	_, err := b.Request(ctx, "nobody", nil)
	wantUnavailable(t, "Request that nobody hears", err)
	if ctx.Err() != nil {
		t.Error("it waited for its context")
	}
}

func testNoAnswer(t *testing.T, b parley.Bus) {
	asked := make(chan struct{}, 1)
	subscribe(t, b, "mute", func(string, string, []byte) { asked <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-asked
		cancel()
	}()
	_, err := b.Request(ctx, "mute", nil)
	wantUnavailable(t, "Request that nobody answers", err)
}
