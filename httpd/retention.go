package httpd

import (
	"net/http"
	"strconv"

	"github.com/parley-chat/parley"
)

// orgRetention says how long an org keeps messages; null is for ever.
type orgRetention struct {
	Days *int `json:"days"`
}

// conversationRetention says how long a conversation keeps them: by its own say (null:
// it has none, 0: for ever), and in the end (null: for ever).
type conversationRetention struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	Days           *int                  `json:"days"`
	EffectiveDays  *int                  `json:"effective_days"`
}

// getRetention tells how long the org keeps messages, where its conversations do not
// say otherwise.
func (s *Server) getRetention(c *call) error {
	if err := c.may(parley.ScopeAdmin); err != nil {
		return err
	}
	r, err := s.Store.Retention(c.ctx, c.who.Org, parley.ConversationID{})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, orgRetention{r.Days})
}

func (s *Server) setRetention(c *call) error {
	days := c.body.daysOrNull("days")
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, parley.SetRetention{Days: days})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, orgRetention{result.Retention.Days})
}

func (s *Server) setConversationRetention(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	if id.IsZero() { // which is how the engine is told of the org
		return errNoConversation
	}
	days := c.body.daysOrNull("days")
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, parley.SetRetention{Conversation: id, Days: days})
	if err != nil {
		return err
	}
	effective, err := s.effectiveDays(c, result.Retention)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, conversationRetention{id, result.Retention.Days, effective})
}

// retentionOf is how many days a conversation keeps messages; nil for ever.
func (s *Server) retentionOf(c *call, id parley.ConversationID) (*int, error) {
	own, err := s.Store.Retention(c.ctx, c.who.Org, id)
	if err != nil {
		return nil, err
	}
	return s.effectiveDays(c, own)
}

func (s *Server) effectiveDays(c *call, own *parley.Retention) (*int, error) {
	general, err := s.Store.Retention(c.ctx, c.who.Org, parley.ConversationID{})
	if err != nil {
		return nil, err
	}
	if days := parley.DaysFor(own, general); days > 0 {
		return &days, nil
	}
	return nil, nil
}

// daysOrNull is a number of days that must be there; nil where it is null. What the
// number may be is for the engine to say.
func (f *fields) daysOrNull(key string) *int {
	text, sent := f.object[key]
	if !sent {
		f.bad(key, "%s is required and must be a whole number or null", key)
		return nil
	}
	if string(text) == "null" {
		return nil
	}
	n, err := strconv.Atoi(string(text))
	f.badIf(err != nil, key, "%s must be a whole number or null", key)
	return &n
}
