package httpd

import (
	"reflect"

	"github.com/parley-chat/parley"
)

// bodies says what a route is sent and what it answers.
type bodies struct {
	in    any // a value of the request's type; nil for none
	out   any // a value of the answer's type
	code  int // of success, where it is not 200
	query []param
	file  bool // the request, or where it has none the answer, is bytes of any type
}

// param is a query parameter.
type param struct {
	name, kind, doc string // kind is string or integer
	required        bool
}

// bodiesOf is what the API documents say of each route, by method and path.
func bodiesOf() map[string]bodies {
	const (
		chat          = "/v1/chat"
		conversations = chat + "/conversations"
		conversation  = conversations + "/{id}"
		messages      = chat + "/messages"
		aSession      = "/api/sessions/{id}"
	)
	page := []param{
		{"limit", "integer", "how many, at most 500; 100 unless said", false},
		{"cursor", "string", "next_cursor of the page before", false},
	}
	named := []param{{"q", "string", "what a word of the name begins with", false}}
	signature := []param{{"signature", "string", "part of the URL that was given", false}}
	publish, batchOfThem := bodies{in: publishRequest{}, out: published{}}, bodies{in: publishBatchRequest{}, out: publishedBatch{}}
	return map[string]bodies{
		"GET /healthz":                                      {out: health{}},
		"GET /readyz":                                       {out: health{}},
		"GET " + apiDocument:                                {out: map[string]any{}},
		"GET " + apiPage:                                    {},
		"POST /api/events/publish":                          publish,
		"POST /v1/events/publish":                           publish,
		"POST /api/events/publish/batch":                    batchOfThem,
		"POST /v1/events/publish/batch":                     batchOfThem,
		"POST /api/sessions":                                {in: createSessionRequest{}, out: session{}, code: 201},
		"GET /api/sessions":                                 {out: sessionList{}, query: []param{{"limit", "integer", "how many, at most 500; 50 unless said", false}, {"offset", "integer", "how many to leave out", false}, {"status", "string", "active or closed", false}}},
		"GET " + aSession:                                   {out: session{}},
		"GET " + aSession + "/history":                      {out: []pair{}, query: page[:1]},
		"POST " + aSession + "/start":                       {in: emptyRequest{}, out: session{}},
		"POST " + aSession + "/end":                         {in: emptyRequest{}, out: session{}},
		"POST " + aSession + "/messages":                    {in: sessionMessageRequest{}, out: sessionMessage{}},
		"POST /v1/tokens":                                   {in: userTokenRequest{}, out: userToken{}},
		"GET /v1/messaging/token":                           {out: messagingToken{}},
		"GET " + conversations:                              {out: conversationList{}, query: page},
		"POST " + conversations:                             {in: createConversationRequest{}, out: chatConversation{}, code: 201},
		"GET " + conversations + "/unread":                  {out: unreadList{}, query: page},
		"GET " + conversation:                               {out: chatConversation{}},
		"PATCH " + conversation:                             {in: updateConversationRequest{}, out: empty{}},
		"DELETE " + conversation:                            {in: deleteRequest{}, out: empty{}},
		"POST " + conversation + "/read":                    {in: upToRequest{}, out: empty{}},
		"POST " + conversation + "/delivered":               {in: upToRequest{}, out: empty{}},
		"GET " + conversation + "/receipts":                 {out: receiptList{}},
		"POST " + conversation + "/mute":                    {in: muteRequest{}, out: muteState{}},
		"DELETE " + conversation + "/mute":                  {out: muteState{}},
		"POST " + conversation + "/archive":                 {out: archiveState{}},
		"DELETE " + conversation + "/archive":               {out: archiveState{}},
		"GET " + conversation + "/tasks":                    {out: taskList{}, query: page},
		"GET " + conversation + "/participants":             {out: participantList{}},
		"POST " + conversation + "/participants":            {in: addParticipantsRequest{}, out: participantList{}},
		"PATCH " + conversation + "/participants/{userId}":  {in: roleRequest{}, out: empty{}},
		"DELETE " + conversation + "/participants/{userId}": {out: empty{}},
		"GET " + conversation + "/messages": {out: messagePage{}, query: []param{
			{"from_seq", "integer", "inclusive; left out: the newest", false}, {"to_seq", "integer", "inclusive", false}, page[0],
		}},
		"POST " + conversation + "/typing": {in: typingRequest{}, out: empty{}},
		"POST " + messages + "/send":       {in: sendRequest{}, out: chatMessage{}},
		"POST " + messages + "/sync":       {in: syncRequest{}, out: batchList{}},
		"GET " + messages + "/search": {out: searchList{}, query: append([]param{
			{"q", "string", "words; the last may be the beginning of one", true},
			{"conversation_id", "string", "search in one conversation", false},
			{"before_seq", "integer", "with conversation_id: lesser seqs only", false},
		}, page...)},
		"POST " + messages + "/forward":             {in: forwardRequest{}, out: forwardedList{}},
		"GET " + messages + "/{id}":                 {out: chatMessage{}},
		"PATCH " + messages + "/{id}":               {in: editRequest{}, out: editedMessage{}},
		"DELETE " + messages + "/{id}":              {in: deleteRequest{}, out: empty{}},
		"GET " + messages + "/{id}/edits":           {out: editList{}, query: page},
		"POST " + messages + "/{id}/reactions":      {in: reactRequest{}, out: reacted{}},
		"POST " + chat + "/attachments":             {in: announceRequest{}, out: announcedAttachment{}, code: 201},
		"PUT " + chat + "/attachments/{id}/content": {out: chatAttachment{}, query: signature, file: true},
		"GET " + chat + "/attachments/{id}":         {out: chatAttachment{}},
		"GET " + chat + "/attachments/{id}/content": {query: signature, file: true},
		"POST " + chat + "/tasks":                   {in: createTaskRequest{}, out: chatTask{}, code: 201},
		"GET " + chat + "/tasks/{id}":               {out: chatTask{}},
		"PATCH " + chat + "/tasks/{id}":             {in: updateTaskRequest{}, out: chatTask{}},
		"POST " + chat + "/tasks/{id}/stream":       {in: streamTaskRequest{}, out: empty{}},
		"POST " + chat + "/users/{userId}/block":    {out: empty{}},
		"DELETE " + chat + "/users/{userId}/block":  {out: empty{}},
		"POST " + chat + "/presence":                {in: presenceRequest{}, out: presenceState{}},
		"GET /v1/users/{userId}/export":             {file: true},
		"GET " + conversation + "/export":           {file: true},
		"POST /v1/users/{userId}/erase":             {out: erasure{}, code: 202},
		"GET /v1/erasures/{id}":                     {out: erasure{}},
		"GET /v1/retention":                         {out: orgRetention{}},
		"PUT /v1/retention":                         {in: retentionRequest{}, out: orgRetention{}},
		"PUT " + conversation + "/retention":        {in: retentionRequest{}, out: conversationRetention{}},
		"GET " + chat + "/blocks":                   {out: blockList{}},
		"GET " + chat + "/users":                    {out: userList{}, query: append(named, page...)},
		"GET " + chat + "/agents":                   {out: agentList{}, query: append(named, page...)},
		"POST /auth/signup":                         {in: signUpRequest{}, out: signedIn{}, code: 201},
		"POST /auth/login":                          {in: loginRequest{}, out: signedIn{}},
		"POST /auth/refresh":                        {in: refreshRequest{}, out: signedIn{}},
		"POST /auth/logout":                         {in: logoutRequest{}, out: empty{}},
		"GET /auth/me":                              {out: whoAmI{}},
		"PATCH /auth/profile":                       {in: profileRequest{}, out: whoAmI{}},
		"POST /auth/change-password":                {in: changePasswordRequest{}, out: empty{}},
	}
}

// components are the types that the documents name, so that they are said once.
func components() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Message":      reflect.TypeFor[chatMessage](),
		"Tombstone":    reflect.TypeFor[chatTombstone](),
		"Conversation": reflect.TypeFor[chatConversation](),
		"Participant":  reflect.TypeFor[chatParticipant](),
		"Reaction":     reflect.TypeFor[chatReaction](),
		"File":         reflect.TypeFor[parley.File](),
		"Attachment":   reflect.TypeFor[chatAttachment](),
		"Task":         reflect.TypeFor[chatTask](),
		"User":         reflect.TypeFor[chatUser](),
		"Account":      reflect.TypeFor[authUser](),
		"Session":      reflect.TypeFor[session](),
		"Published":    reflect.TypeFor[published](),
		"Refusal":      reflect.TypeFor[refusedEvent](),
		"ChatError":    reflect.TypeFor[chatError](),
		"BotError":     reflect.TypeFor[botError](),
		"Problem":      reflect.TypeFor[problem](),
	}
}
