package httpd

import (
	"net/http"
	"slices"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

const headerIdempotencyKey = "Idempotency-Key"

// stamp is a time as every surface shows it: UTC, with milliseconds.
type stamp time.Time

// MarshalJSON writes the time as sockets do.
func (t stamp) MarshalJSON() ([]byte, error) { return jsonw.Time(nil, time.Time(t)), nil }

// appendPublished appends the answer of POST /api/events/publish (contracts.md 1.3)
// to dst.
func appendPublished(dst []byte, e *parley.Event, recipients int) []byte {
	dst = jsonw.ID(append(dst, '{'), "event_id", e.ID)
	dst = jsonw.True(dst, "published", true)
	dst = jsonw.TimeAt(dst, "timestamp", e.Time)
	dst = jsonw.Number(dst, "recipients", uint64(recipients))
	return append(dst, '}')
}

// publish tells an event. The answer comes once the event is kept (P1).
func (s *Server) publish(c *call) error {
	cmd := publishCommand(&c.body, c.r.Header.Get(headerIdempotencyKey))
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	text := make([]byte, 0, 160)
	c.write(http.StatusOK, appendPublished(text, result.Event, s.recipients(&cmd, result.Event)))
	return nil
}

// publishCommand reads what is to be published; what is wrong with it is in b.err.
func publishCommand(b *fields, idempotencyKey string) parley.PublishEvent {
	cmd := parley.PublishEvent{
		Type:           parley.EventType(b.need("type")),
		Channel:        b.need("channel"),
		Data:           b.raw("data"),
		Targets:        b.principals("targets"),
		IdempotencyKey: b.once("idempotency_key", idempotencyKey),
	}
	// Without targets an event goes to everybody on the channel. Who names targets
	// and has none does not mean that.
	if _, named := b.object["targets"]; named && len(cmd.Targets) == 0 {
		b.bad("targets", "targets must name at least one user, or be left out")
	}
	return cmd
}

// recipients counts whom an event was for: those addressed, connected or not, or
// else those who listen now (contracts.md C3).
func (s *Server) recipients(cmd *parley.PublishEvent, e *parley.Event) int {
	if len(cmd.Targets) > 0 {
		addressed := slices.Clone(e.Targets)
		slices.Sort(addressed)
		return len(slices.Compact(addressed))
	}
	if s.Listening == nil {
		return 0
	}
	return s.Listening(e.Org, e)
}
