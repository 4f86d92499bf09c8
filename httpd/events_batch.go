package httpd

import (
	"encoding/json"
	"net/http"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// publishBatch tells many events. Each has its own result, in their order, as
// POST /api/events/publish would have answered it; the answer comes once all that
// were accepted are kept (P1). Where the rate limit refuses every one of them it
// is the answer to the whole.
func (s *Server) publishBatch(c *call) error {
	if c.r.Header.Get(headerIdempotencyKey) != "" {
		c.body.bad("idempotency_key", "each event of a batch has an idempotency_key of its own; leave the header Idempotency-Key out")
	}
	elements := c.body.objects("events")
	c.body.badIf(len(elements) == 0 || len(elements) > parley.MaxPublishBatch,
		"events", "events must hold 1 to %d events", parley.MaxPublishBatch)
	if c.body.err != nil {
		return c.body.err
	}
	batch := parley.PublishBatch{Events: make([]parley.PublishEvent, 0, len(elements))}
	for i := range elements {
		if cmd := publishCommand(&elements[i], ""); elements[i].err == nil {
			batch.Events = append(batch.Events, cmd)
		}
	}
	var result parley.Result
	if len(batch.Events) > 0 {
		var err error
		if result, err = s.Engine.Do(c.ctx, c.who, batch); err != nil {
			return err
		}
	}
	limited, every := rateLimited(result.Batch)
	if every && len(batch.Events) == len(elements) {
		return limited
	}
	if limited != nil {
		s.sayRetry(c, limited)
	}
	c.write(http.StatusOK, s.appendResults(make([]byte, 0, 160*len(elements)+64), elements, &batch, result.Batch))
	return nil
}

// rateLimited returns the refusal of the rate limit, nil where there was none, and
// whether it was every event's.
func rateLimited(batch []parley.Outcome) (limited *parley.Error, every bool) {
	every = len(batch) > 0
	for _, o := range batch {
		if o.Err == nil || o.Err.Code != parley.CodeRateLimited {
			every = false
			continue
		}
		limited = o.Err
	}
	return limited, every
}

// sayRetry says in the headers when those that the rate limit refused may be sent
// again.
func (s *Server) sayRetry(c *call, limited *parley.Error) {
	setRetryAfter(c.w.Header(), limited)
	rateHeaders(c.w.Header(), s.Now(), publishRate(&s.Limits, c.who), limited)
}

// appendResults appends the answer to a batch: elements are those of the body, of
// which the batch holds those that could be read.
func (s *Server) appendResults(dst []byte, elements []fields, batch *parley.PublishBatch, outcomes []parley.Outcome) []byte {
	listening := map[heardBy]int{}
	accepted := 0
	dst = append(dst, `{"results":[`...)
	for i, n := 0, 0; i < len(elements); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		refused := parley.AsError(elements[i].err)
		if refused == nil {
			cmd, o := &batch.Events[n], &outcomes[n]
			n++
			if refused = o.Err; refused == nil {
				accepted++
				dst = appendPublished(dst, o.Event, s.recipientsOnce(cmd, o.Event, listening))
				continue
			}
		}
		dst = appendRefused(dst, refused)
	}
	dst = append(dst, ']')
	dst = jsonw.Number(dst, "published", uint64(accepted))
	dst = jsonw.Number(dst, "refused", uint64(len(elements)-accepted))
	return append(dst, '}')
}

// refusal is the error of one event: what its problem details would say, and the
// seconds of Retry-After.
type refusal struct {
	problem
	RetryAfter int `json:"retry_after,omitempty"`
}

func appendRefused(dst []byte, e *parley.Error) []byte {
	r := refusal{problem: problemOf(e, "")}
	if e.RetryAfter > 0 {
		r.RetryAfter = retrySeconds(e)
	}
	text, _ := json.Marshal(r) // plain values: it cannot fail
	return append(jsonw.Raw(append(dst, `{"published":false`...), "error", text, "null"), '}')
}

// heardBy is what decides who listens to an event without targets.
type heardBy struct {
	typ          parley.EventType
	channel      string
	resource     string
	conversation parley.ConversationID
}

// recipientsOnce is recipients, asked once for all events of a batch that the same
// users hear.
func (s *Server) recipientsOnce(cmd *parley.PublishEvent, e *parley.Event, listening map[heardBy]int) int {
	if len(cmd.Targets) > 0 {
		return s.recipients(cmd, e)
	}
	by := heardBy{typ: e.Type, channel: e.Channel, conversation: e.Conversation}
	if b, ok := e.Body.(*parley.PublishedBody); ok {
		by.resource = b.ResourceID
	}
	n, known := listening[by]
	if !known {
		n = s.recipients(cmd, e)
		listening[by] = n
	}
	return n
}
