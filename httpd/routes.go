package httpd

import (
	"net/http"
	"slices"
	"strings"

	"github.com/parley-chat/parley"
)

// Surface says in whose documented shape a route answers and fails.
type Surface string

// The surfaces that have routes; SurfaceServer is what belongs to none.
const (
	SurfaceEvents Surface = "events" // S0, contracts.md 1.3
	SurfaceBot    Surface = "bot"    // S1, contracts.md 2.4
	SurfaceChat   Surface = "chat"   // S3, contracts.md 4.2
	SurfaceServer Surface = "server"
)

// Route is one door. The table of them is the only list there is: the mux, the
// answers to unknown paths and methods, and the API documents are made from it.
type Route struct {
	Method  string
	Path    string // a ServeMux path
	Surface Surface
	Open    bool // needs no credential
	Body    Body
	Doc     string

	handle func(*Server, *call) error
	// rate is the documented rate limit that the route is under; nil for none.
	rate func(*parley.Limits, *parley.Principal) int
}

// Body says what a route wants to be sent.
type Body uint8

// The sorts of body. A large one may be as large as Limits.DrainBytes, the others
// as Limits.FrameBytes, like a frame that says the same.
const (
	NoBody       Body = iota // whatever is sent is not read
	OptionalBody             // a JSON object or nothing
	JSONBody                 // a JSON object
	LargeBody                // a JSON object that may hold long lists
)

// Routes lists every door in documentation order.
func Routes() []Route {
	const (
		conversations = "/v1/chat/conversations"
		conversation  = conversations + "/{id}"
		session       = "/api/sessions/{id}"
	)
	return []Route{
		{"GET", "/healthz", SurfaceServer, true, NoBody, "whether the process lives", (*Server).healthz, nil},
		{"GET", "/readyz", SurfaceServer, true, NoBody, "whether the node can serve, and else why not", (*Server).readyz, nil},

		{"POST", "/api/events/publish", SurfaceEvents, false, JSONBody, "tell an event", (*Server).publish, publishRate},
		{"POST", "/v1/events/publish", SurfaceEvents, false, JSONBody, "tell an event (alias)", (*Server).publish, publishRate},
		{"POST", "/api/events/publish/batch", SurfaceEvents, false, LargeBody, "tell many events", (*Server).publishBatch, publishRate},
		{"POST", "/v1/events/publish/batch", SurfaceEvents, false, LargeBody, "tell many events (alias)", (*Server).publishBatch, publishRate},

		{"POST", "/api/sessions", SurfaceBot, false, OptionalBody, "begin a session with an agent, or find it again", (*Server).createSession, nil},
		{"GET", "/api/sessions", SurfaceBot, false, NoBody, "list one's sessions", (*Server).listSessions, nil},
		{"GET", session, SurfaceBot, false, NoBody, "one session", (*Server).getSession, nil},
		{"GET", session + "/history", SurfaceBot, false, NoBody, "what was said, as pairs of role and content", (*Server).sessionHistory, nil},
		{"POST", session + "/start", SurfaceBot, false, OptionalBody, "one session; nothing more has to be started", (*Server).startSession, nil},
		{"POST", session + "/end", SurfaceBot, false, OptionalBody, "close a session", (*Server).endSession, nil},
		{"POST", session + "/messages", SurfaceBot, false, JSONBody, "say something", (*Server).sessionMessage, messageRate},

		{"POST", "/v1/tokens", SurfaceChat, false, JSONBody, "mint an access token for a user", (*Server).mintUserToken, nil},
		{"GET", "/v1/messaging/token", SurfaceChat, false, NoBody, "mint a messaging token for oneself", (*Server).mintMessagingToken, nil},
		{"GET", conversations, SurfaceChat, false, NoBody, "list one's conversations", (*Server).listConversations, nil},
		{"POST", conversations, SurfaceChat, false, LargeBody, "begin a conversation, or find the one of a pair", (*Server).createConversation, nil},
		{"GET", conversation + "/participants", SurfaceChat, false, NoBody, "who takes part", (*Server).listParticipants, nil},
		{"POST", conversation + "/participants", SurfaceChat, false, LargeBody, "add participants", (*Server).addParticipants, nil},
		{"DELETE", conversation + "/participants/{userId}", SurfaceChat, false, NoBody, "remove a participant, or leave", (*Server).removeParticipant, nil},
		{"GET", conversation + "/messages", SurfaceChat, false, NoBody, "read by seq", (*Server).listMessages, nil},
		{"POST", conversation + "/typing", SurfaceChat, false, JSONBody, "tell that one types or stopped", (*Server).typing, nil},
		{"POST", "/v1/chat/messages/send", SurfaceChat, false, JSONBody, "say something", (*Server).sendMessage, messageRate},
		{"POST", "/v1/chat/messages/sync", SurfaceChat, false, LargeBody, "what was said since, over many conversations", (*Server).sync, nil},
	}
}

// publishRate is the rate limit of contracts.md 1.3, per minute.
func publishRate(l *parley.Limits, who *parley.Principal) int {
	if who != nil && who.Kind == parley.KindService {
		return l.ServicePublishes
	}
	return l.PublishesPerMinute
}

// messageRate is the rate limit on sends, per second.
func messageRate(l *parley.Limits, _ *parley.Principal) int { return l.MessagesPerSecond }

// routes makes the mux. Each path also takes the methods that it does not have,
// and each surface the paths it does not have, to refuse them in shape.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, rt := range Routes() {
		mux.Handle(rt.Method+" "+rt.Path, s.serve(rt))
		methods[rt.Path] = append(methods[rt.Path], rt.Method)
	}
	for path, allowed := range methods {
		if slices.Contains(allowed, http.MethodGet) {
			allowed = append(allowed, http.MethodHead)
		}
		slices.Sort(allowed)
		mux.Handle(path, s.wrongMethod(strings.Join(allowed, ", ")))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, nil, parley.Errorf(parley.CodeNotFound, "there is no such route"))
	})
	return mux
}

func (s *Server) wrongMethod(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		s.fail(w, r, nil, parley.Errorf(parley.CodeMethodNotAllowed, "this route takes %s", allowed))
	}
}

// surfaceOf says whose a path is, known or not.
func surfaceOf(path string) Surface {
	switch {
	case strings.HasPrefix(path, "/api/events/"), strings.HasPrefix(path, "/v1/events/"):
		return SurfaceEvents
	case strings.HasPrefix(path, "/api/"):
		return SurfaceBot
	case strings.HasPrefix(path, "/v1/"):
		return SurfaceChat
	}
	return SurfaceServer
}
