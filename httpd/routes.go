package httpd

import (
	"maps"
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
	FileBody                 // bytes of any type, which the handler reads
)

// Routes lists every door in documentation order.
func Routes() []Route {
	const (
		conversations = "/v1/chat/conversations"
		conversation  = conversations + "/{id}"
		message       = "/v1/chat/messages/{id}"
		task          = "/v1/chat/tasks/{id}"
		attachment    = "/v1/chat/attachments/{id}"
		session       = "/api/sessions/{id}"
	)
	return []Route{
		{"GET", "/healthz", SurfaceServer, true, NoBody, "whether the process lives", (*Server).healthz, nil},
		{"GET", "/readyz", SurfaceServer, true, NoBody, "whether the node can serve, and else why not", (*Server).readyz, nil},

		{"GET", apiDocument, SurfaceServer, true, NoBody, "all routes, as OpenAPI 3.1", (*Server).apiJSON, nil},
		{"GET", apiPage, SurfaceServer, true, NoBody, "all routes, to read", (*Server).apiHTML, nil},

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
		{"GET", conversations + "/unread", SurfaceChat, false, NoBody, "how much is unread, and where", (*Server).listUnread, nil},
		{"GET", conversation, SurfaceChat, false, NoBody, "one conversation", (*Server).getConversation, nil},
		{"PATCH", conversation, SurfaceChat, false, JSONBody, "change name and description", (*Server).updateConversation, nil},
		{"DELETE", conversation, SurfaceChat, false, OptionalBody, "delete a conversation for oneself or for everyone", (*Server).deleteConversation, nil},
		{"POST", conversation + "/read", SurfaceChat, false, OptionalBody, "tell how far one has read", (*Server).markRead, nil},
		{"POST", conversation + "/delivered", SurfaceChat, false, OptionalBody, "tell how far messages reached a device", (*Server).markDelivered, nil},
		{"GET", conversation + "/receipts", SurfaceChat, false, NoBody, "how far the members have read and received", (*Server).listReceipts, nil},
		{"POST", conversation + "/mute", SurfaceChat, false, OptionalBody, "mute a conversation", (*Server).mute, nil},
		{"DELETE", conversation + "/mute", SurfaceChat, false, NoBody, "unmute a conversation", (*Server).unmute, nil},
		{"POST", conversation + "/archive", SurfaceChat, false, NoBody, "archive a conversation", (*Server).archive, nil},
		{"DELETE", conversation + "/archive", SurfaceChat, false, NoBody, "take a conversation out of the archive", (*Server).unarchive, nil},
		{"GET", conversation + "/tasks", SurfaceChat, false, NoBody, "the tasks of a conversation, the newest first", (*Server).listTasks, nil},
		{"GET", conversation + "/participants", SurfaceChat, false, NoBody, "who takes part", (*Server).listParticipants, nil},
		{"POST", conversation + "/participants", SurfaceChat, false, LargeBody, "add participants", (*Server).addParticipants, nil},
		{"DELETE", conversation + "/participants/{userId}", SurfaceChat, false, NoBody, "remove a participant, or leave", (*Server).removeParticipant, nil},
		{"PATCH", conversation + "/participants/{userId}", SurfaceChat, false, JSONBody, "give a participant another role", (*Server).updateParticipant, nil},
		{"GET", conversation + "/messages", SurfaceChat, false, NoBody, "read by seq", (*Server).listMessages, nil},
		{"POST", conversation + "/typing", SurfaceChat, false, JSONBody, "tell that one types or stopped", (*Server).typing, nil},
		{"POST", "/v1/chat/messages/send", SurfaceChat, false, JSONBody, "say something", (*Server).sendMessage, messageRate},
		{"POST", "/v1/chat/messages/sync", SurfaceChat, false, LargeBody, "what was said since, over many conversations", (*Server).sync, nil},
		{"GET", "/v1/chat/messages/search", SurfaceChat, false, NoBody, "find messages by their words", (*Server).search, nil},
		{"POST", "/v1/chat/messages/forward", SurfaceChat, false, LargeBody, "say a message again in other conversations", (*Server).forward, messageRate},
		{"GET", message, SurfaceChat, false, NoBody, "one message", (*Server).getMessage, nil},
		{"PATCH", message, SurfaceChat, false, JSONBody, "edit a message", (*Server).editMessage, nil},
		{"DELETE", message, SurfaceChat, false, OptionalBody, "delete a message for oneself or for everyone", (*Server).deleteMessage, nil},
		{"GET", message + "/edits", SurfaceChat, false, NoBody, "what a message said before", (*Server).listEdits, nil},
		{"POST", message + "/reactions", SurfaceChat, false, JSONBody, "react with an emoji, or take it back", (*Server).react, nil},
		{"POST", "/v1/chat/attachments", SurfaceChat, false, JSONBody, "announce a file, to upload it", (*Server).announceAttachment, nil},
		{"PUT", attachment + "/content", SurfaceChat, true, FileBody, "upload the bytes, by the URL that was given for it", (*Server).uploadAttachment, nil},
		{"GET", attachment, SurfaceChat, false, NoBody, "what a file is, and a URL of its bytes", (*Server).getAttachment, nil},
		{"GET", attachment + "/content", SurfaceChat, true, NoBody, "the bytes, by such a URL or with a credential", (*Server).fetchAttachment, nil},
		{"POST", "/v1/chat/tasks", SurfaceChat, false, JSONBody, "begin a task", (*Server).createTask, nil},
		{"GET", task, SurfaceChat, false, NoBody, "one task", (*Server).getTask, nil},
		{"PATCH", task, SurfaceChat, false, JSONBody, "report how a task goes", (*Server).updateTask, nil},
		{"POST", task + "/stream", SurfaceChat, false, JSONBody, "tell some text of a running task", (*Server).streamTask, nil},
		{"POST", "/v1/chat/users/{userId}/block", SurfaceChat, false, NoBody, "block somebody", (*Server).block, nil},
		{"DELETE", "/v1/chat/users/{userId}/block", SurfaceChat, false, NoBody, "unblock somebody", (*Server).unblock, nil},
		{"POST", "/v1/chat/presence", SurfaceChat, false, JSONBody, "say that one is away or back", (*Server).say, nil},
		{"GET", "/v1/chat/users", SurfaceChat, false, NoBody, "the people of one's org", (*Server).listUsers, nil},
		{"GET", "/v1/chat/agents", SurfaceChat, false, NoBody, "the agents one can talk with", (*Server).listAgents, nil},
		{"GET", "/v1/users/{userId}/export", SurfaceChat, false, NoBody, "all that is kept of a user, as JSON lines: one's own, or as an administrator", (*Server).exportUser, nil},
		{"GET", conversation + "/export", SurfaceChat, false, NoBody, "a whole conversation, as JSON lines, for administrators", (*Server).exportConversation, nil},
		{"POST", "/v1/users/{userId}/erase", SurfaceChat, false, NoBody, "erase a user: oneself, or as an administrator", (*Server).eraseUser, nil},
		{"GET", "/v1/erasures/{id}", SurfaceChat, false, NoBody, "how far an erasure has come", (*Server).getErasure, nil},
		{"GET", "/v1/retention", SurfaceChat, false, NoBody, "how long the org keeps messages, for administrators", (*Server).getRetention, nil},
		{"PUT", "/v1/retention", SurfaceChat, false, JSONBody, "say how long the org keeps messages, as an administrator", (*Server).setRetention, nil},
		{"PUT", conversation + "/retention", SurfaceChat, false, JSONBody, "say how long a conversation keeps messages", (*Server).setConversationRetention, nil},
		{"GET", "/v1/chat/blocks", SurfaceChat, false, NoBody, "whom one blocks", (*Server).listBlocks, nil},

		{"POST", "/auth/signup", SurfaceChat, true, JSONBody, "become a user, where that is open, or make one", (*Server).signUp, nil},
		{"POST", "/auth/login", SurfaceChat, true, JSONBody, "sign in by e-mail and password", (*Server).login, nil},
		{"POST", "/auth/refresh", SurfaceChat, true, JSONBody, "get new tokens for a refresh token, which is good once", (*Server).refresh, nil},
		{"POST", "/auth/logout", SurfaceChat, true, OptionalBody, "sign out: by refresh token, or by the credential", (*Server).logout, nil},
		{"GET", "/auth/me", SurfaceChat, false, NoBody, "who one is", (*Server).me, nil},
		{"PATCH", "/auth/profile", SurfaceChat, false, JSONBody, "change what one tells of oneself", (*Server).updateProfile, nil},
		{"POST", "/auth/change-password", SurfaceChat, false, JSONBody, "set another password, and end the other logins", (*Server).changePassword, nil},
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
// and each surface the paths it does not have, to refuse them in shape. The mux
// knows paths alone: with methods it would find that /messages/send of any method
// and GET /messages/{id} collide.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	doors := map[string]door{}
	for _, rt := range Routes() {
		if doors[rt.Path] == nil {
			doors[rt.Path] = door{}
		}
		doors[rt.Path][rt.Method] = s.serve(rt)
	}
	for path, d := range doors {
		mux.Handle(path, d.handler(s))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, nil, parley.Errorf(parley.CodeNotFound, "there is no such route"))
	})
	return mux
}

// door is what a path does, by method.
type door map[string]http.HandlerFunc

// handler serves the path: HEAD is GET, whose body net/http leaves out.
func (d door) handler(s *Server) http.HandlerFunc {
	if get := d[http.MethodGet]; get != nil {
		d[http.MethodHead] = get
	}
	wrong := s.wrongMethod(strings.Join(slices.Sorted(maps.Keys(d)), ", "))
	return func(w http.ResponseWriter, r *http.Request) {
		if serve := d[r.Method]; serve != nil {
			serve(w, r)
			return
		}
		wrong(w, r)
	}
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
	case strings.HasPrefix(path, "/v1/"), strings.HasPrefix(path, "/auth/"):
		return SurfaceChat
	}
	return SurfaceServer
}
