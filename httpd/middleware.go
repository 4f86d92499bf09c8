package httpd

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/parley-chat/parley"
)

const headerRequestID = "X-Request-Id"

// Values of headers that every answer has, shared by all: whoever adds to one gets
// a slice of its own. The keys they stand under are in canonical form.
var (
	noReferrer  = []string{"no-referrer"}
	noSniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	varyOrigin  = []string{"Origin"}
	jsonContent = []string{"application/json"}
)

// exchange is one request and what became of it, for the log and the metrics. It
// is the ResponseWriter that handlers get.
type exchange struct {
	http.ResponseWriter
	route  *routeMetrics     // nil where there is none
	who    *parley.Principal // nil until authenticated
	status int               // zero until answered
	bytes  int
}

// WriteHeader notes the status.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write notes how much was written.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// middleware is what every route goes through: an id, headers, pages of other
// hosts, and an account of how it ended, a panic included.
func (s *Server) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{ResponseWriter: w}
		h := w.Header()
		h[headerRequestID] = []string{newRequestID()}
		if r.Method != http.MethodPost { // an answer to a POST is data: it refers to nothing
			h["Referrer-Policy"] = noReferrer
		}
		h["X-Content-Type-Options"] = noSniff
		defer func() { s.account(x, r, time.Since(start)) }()
		defer s.recover(x, r)
		if s.cors(x, r) {
			next.ServeHTTP(x, r)
		}
	})
}

// recover turns a panic into a 500 with an id, and logs it in full.
func (s *Server) recover(x *exchange, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.fail(x, r, x.who, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
}

// account tells the log and the metrics how a request ended. The query is left
// out: strangers put tokens there.
func (s *Server) account(x *exchange, r *http.Request, took time.Duration) {
	s.metrics.observe(x.route, x.status, took)
	level := slog.LevelInfo
	if x.status < http.StatusBadRequest || surfaceOf(r.URL.Path) == SurfaceServer {
		// What went well is in the metrics; a line for each would be most of the log,
		// and a tenth of the work of a busy server.
		level = slog.LevelDebug
	}
	if !s.Logger.Enabled(r.Context(), level) {
		return
	}
	line := slog.NewRecord(time.Now(), level, "request", 0) // from where it is logged says nothing
	line.AddAttrs(
		slog.String("id", x.Header().Get(headerRequestID)),
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", x.status), slog.Int("bytes", x.bytes), slog.Duration("took", took),
		slog.String("ip", s.policy.ClientAddr(r).String()),
	)
	if x.who != nil {
		line.AddAttrs(slog.String("org", string(x.who.Org)), slog.String("principal", string(x.who.ID)))
	}
	_ = s.Logger.Handler().Handle(r.Context(), line) // a log has nowhere to tell that it failed
}

func newRequestID() string {
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	return hex.EncodeToString(id[:])
}
