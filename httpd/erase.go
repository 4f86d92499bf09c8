package httpd

import (
	"net/http"

	"github.com/parley-chat/parley"
)

// erasure is the job that erases a user.
type erasure struct {
	ErasureID     parley.ErasureID    `json:"erasure_id"`
	UserID        parley.PrincipalID  `json:"user_id"`
	RequestedBy   parley.PrincipalID  `json:"requested_by"`
	Status        string              `json:"status"` // running, done
	Phase         parley.ErasurePhase `json:"phase"`
	Conversations int                 `json:"conversations"` // gone through
	Messages      int                 `json:"messages"`      // emptied
	Reactions     int                 `json:"reactions"`     // taken away
	RequestedAt   stamp               `json:"requested_at"`
	EndedAt       *stamp              `json:"ended_at"`
}

func erasureOf(e *parley.Erasure) erasure {
	status := "running"
	if e.Phase == parley.EraseDone {
		status = "done"
	}
	return erasure{
		e.ID, e.Principal, e.By, status, e.Phase, e.Conversations, e.Messages, e.Reactions,
		stamp(e.RequestedAt), stampOrNull(e.EndedAt),
	}
}

// eraseUser begins to erase a user; the answer is the job, which goes on by itself.
func (s *Server) eraseUser(c *call) error {
	id, ok := c.userID()
	if !ok {
		return parley.Errorf(parley.CodeNotFound, "there is no such user")
	}
	result, err := s.Engine.Do(c.ctx, c.who, parley.EraseUser{Principal: id})
	if err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, erasureOf(result.Erasure))
}

// getErasure tells who asked for an erasure, or an administrator, how far it is.
func (s *Server) getErasure(c *call) error {
	missing := parley.Errorf(parley.CodeNotFound, "there is no such erasure")
	id, err := parley.ParseErasureID(c.r.PathValue("id"))
	if err != nil {
		return missing
	}
	job, err := s.Store.Erasure(c.ctx, c.who.Org, id)
	if isNotFound(err) {
		return missing
	}
	if err != nil {
		return err
	}
	if job.By != c.who.ID && !c.who.Can(parley.ScopeAdmin) {
		return missing
	}
	return c.reply(http.StatusOK, erasureOf(job))
}
