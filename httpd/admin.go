package httpd

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// AdminHandler serves operators: metrics, profiles and health. It asks for no
// credential, so its listener belongs on the loopback or a private network
// (design.md section 11).
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	for _, rt := range Routes() {
		if rt.Surface == SurfaceServer {
			mux.Handle(rt.Method+" "+rt.Path, s.serve(rt))
		}
	}
	return mux
}

// health is the answer of /healthz and /readyz.
type health struct {
	Status string `json:"status"`           // ok, unavailable
	Reason string `json:"reason,omitempty"` // in words, where it is not ok
}

func (s *Server) healthz(c *call) error { return c.reply(http.StatusOK, health{Status: "ok"}) }

func (s *Server) readyz(c *call) error {
	if s.Ready != nil {
		if err := s.Ready(); err != nil {
			return c.reply(http.StatusServiceUnavailable, health{"unavailable", err.Error()})
		}
	}
	return c.reply(http.StatusOK, health{Status: "ok"})
}
