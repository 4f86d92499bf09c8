package httpd

import (
	"net/http"

	"github.com/parley-chat/parley"
)

type blockList struct {
	Blocked []chatBlock `json:"blocked"`
}

type chatBlock struct {
	UserID    parley.PrincipalID `json:"user_id"`
	CreatedAt stamp              `json:"created_at"`
}

func (s *Server) block(c *call) error   { return s.setBlock(c, true) }
func (s *Server) unblock(c *call) error { return s.setBlock(c, false) }

// setBlock blocks somebody, or no longer: what they say is kept from the caller.
func (s *Server) setBlock(c *call, on bool) error {
	id, ok := c.userID()
	if !ok {
		return parley.Errorf(parley.CodeNotFound, "there is no such user")
	}
	return s.do(c, parley.BlockPrincipal{Principal: id, On: on})
}

// listBlocks lists whom the caller blocks.
func (s *Server) listBlocks(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	found, err := s.Store.Blocks(c.ctx, c.who.Org, c.who.ID)
	if err != nil {
		return err
	}
	list := blockList{Blocked: []chatBlock{}}
	for _, b := range found {
		list.Blocked = append(list.Blocked, chatBlock{b.Blocked, stamp(b.At)})
	}
	return c.reply(http.StatusOK, list)
}
