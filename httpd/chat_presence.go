package httpd

import (
	"net/http"

	"github.com/parley-chat/parley"
)

// presenceState is what the chat surface says of the caller's own presence.
type presenceState struct {
	UserID parley.PrincipalID    `json:"user_id"`
	Status parley.PresenceStatus `json:"status"` // offline for who has no connection
	Detail *string               `json:"status_detail"`
}

// say has the caller say that it is away or back (contracts.md C16). The answer is
// what others are shown: whoever has no connection is offline whatever it says.
func (s *Server) say(c *call) error {
	if err := c.may(parley.ScopeConversationsWrite); err != nil {
		return err
	}
	state := presenceState{UserID: c.who.ID, Status: parley.PresenceStatus(c.body.need("status"))}
	detail := c.body.text("status_detail")
	if err := c.body.err; err != nil {
		return err
	}
	if s.Say == nil {
		return parley.Errorf(parley.CodeUnavailable, "presence is not kept here")
	}
	if err := s.Say(c.who, state.Status, detail); err != nil {
		return err
	}
	if s.Presence != nil {
		state.Status = s.Presence(c.who.Org, []parley.PrincipalID{c.who.ID})[c.who.ID]
	}
	if state.Status != parley.PresenceOffline {
		state.Detail = orNull(detail)
	}
	return c.reply(http.StatusOK, state)
}
