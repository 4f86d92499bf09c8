package httpd

import (
	"net/http"

	"github.com/parley-chat/parley"
)

// cors lets pages of allowed origins read answers, and answers their preflights;
// it reports whether the request goes on. Credentials are never allowed: no route
// knows a cookie. An answer that is not allowed is given without the headers, so
// that the browser keeps it from the page.
func (s *Server) cors(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	h := w.Header()
	if origin != "" || r.Method != http.MethodPost { // no cache keeps an answer to a POST
		h["Vary"] = varyOrigin
	}
	if origin == "" {
		return true
	}
	if !s.policy.OriginAllowed(r) {
		if preflight {
			s.fail(w, r, nil, parley.Errorf(parley.CodeForbidden, "pages of this origin are not allowed"))
		}
		return !preflight
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if s.policy.AnyOrigin() {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	h.Set("Access-Control-Expose-Headers",
		"Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id")
	if !preflight {
		return true
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-API-Key")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return false
}
