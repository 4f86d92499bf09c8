package httpd

import (
	"context"
	"net/http"
	"strings"

	"github.com/parley-chat/parley"
)

// authenticate tells who sent a request. Credentials come in headers only: a URL
// ends up in logs and histories. A messaging token opens sockets and nothing
// else, so that it cannot renew itself.
func (s *Server) authenticate(ctx context.Context, r *http.Request) (*parley.Principal, error) {
	token := credential(r)
	if token == "" {
		return nil, parley.Errorf(parley.CodeUnauthenticated,
			"a credential is missing: send Authorization: Bearer, or X-API-Key")
	}
	if err := s.mayGuess(r); err != nil {
		return nil, err
	}
	who, err := s.Auth.Authenticate(ctx, token)
	if err == nil && who.Class == parley.ClassMessaging {
		err = parley.Errorf(parley.CodeUnauthenticated, "a messaging token is for sockets only")
	}
	if err == nil {
		return who, nil
	}
	if parley.AsError(err).Code == parley.CodeUnauthenticated {
		s.guessedWrong(ctx, r, err)
	}
	return nil, err
}

// credential is the token or key in the headers, empty for none.
func credential(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-API-Key")
}
