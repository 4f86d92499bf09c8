package main

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

// rooms says who hears which topic.
type rooms struct {
	gws.BuiltinEventHandler

	mu      sync.RWMutex
	members map[string]map[*gws.Conn]struct{}
}

// said is what a client says: "sub" to hear a topic, "pub" to tell it.
type said struct {
	Op    string          `json:"op"`
	Topic string          `json:"topic"`
	Data  json.RawMessage `json:"data"`
}

func serveGWS(addr string) error {
	r := &rooms{members: map[string]map[*gws.Conn]struct{}{}}
	upgrader := gws.NewUpgrader(r, &gws.ServerOption{})
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		socket, err := upgrader.Upgrade(w, req)
		if err == nil {
			go socket.ReadLoop()
		}
	}))
}

// OnPing answers.
func (r *rooms) OnPing(socket *gws.Conn, payload []byte) { _ = socket.WritePong(payload) }

// OnClose forgets who is gone.
func (r *rooms) OnClose(socket *gws.Conn, _ error) {
	topic, ok := socket.Session().Load("topic")
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members[topic.(string)], socket)
}

// OnMessage does what a client says.
func (r *rooms) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	var s said
	if json.Unmarshal(message.Bytes(), &s) != nil {
		return
	}
	switch s.Op {
	case "sub":
		socket.Session().Store("topic", s.Topic)
		r.mu.Lock()
		if r.members[s.Topic] == nil {
			r.members[s.Topic] = map[*gws.Conn]struct{}{}
		}
		r.members[s.Topic][socket] = struct{}{}
		r.mu.Unlock()
		_ = socket.WriteString("ok")
	case "pub":
		r.tell(s.Topic, s.Data)
	}
}

// tell hands a frame, made once, to all who hear a topic, as the library's own
// documentation has it.
func (r *rooms) tell(topic string, data []byte) {
	frame := gws.NewBroadcaster(gws.OpcodeText, data)
	defer frame.Close()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for socket := range r.members[topic] {
		_ = frame.Broadcast(socket)
	}
}
