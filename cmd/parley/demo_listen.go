package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// ear is a socket of one surface that the demo listens with.
type ear struct {
	surface string
	path    string      // what was connected to, without the token
	frames  chan []byte // what it heard, in order; closed at the end
}

// listen connects Ben to all four surfaces, subscribed to the conversation.
func (d *demo) listen(ctx context.Context, conversation string) ([]*ear, error) {
	var messaging struct {
		Token string `json:"token"`
	}
	if err := d.api.get(ctx, "/v1/messaging/token", d.ben, &messaging); err != nil {
		return nil, fmt.Errorf("fetch a messaging token: %w", err)
	}
	pattern := fmt.Sprintf("events.%s.conversations.conversation.*.%s", d.org, conversation)
	doors := []struct {
		surface, path, query string
		hello                any
		ready                string // a frame that holds this says that the subscription stands; empty: it stands at once
	}{
		{"events", "/realtime", "channels=conversation&client_id=demo", nil, ""},
		{"bot", "/ws", "", map[string]any{"type": "subscribe", "session_id": conversation}, ""},
		{"topics", "/ws/topics", "", map[string]any{"op": "subscribe", "id": "1", "topics": []string{pattern}}, `"subscribed"`},
		{"chat", "/ws", "", map[string]any{"action": "subscribe", "conversation_ids": []string{conversation}}, `"subscribed"`},
	}
	var ears []*ear
	for _, door := range doors {
		token := d.ben
		if door.surface == "chat" {
			token = messaging.Token
		}
		e := &ear{surface: door.surface, path: door.path, frames: make(chan []byte, 1024)}
		query, _ := url.ParseQuery(door.query)
		query.Set("token", token)
		if err := e.connect(ctx, d.api, query, door.hello, door.surface == "bot"); err != nil {
			return nil, fmt.Errorf("connect to %s: %w", door.surface, err)
		}
		if door.ready != "" {
			if _, err := e.await(ctx, func(f []byte) bool { return bytes.Contains(f, []byte(door.ready)) }); err != nil {
				return nil, fmt.Errorf("subscribe on %s: %w", door.surface, err)
			}
		}
		ears = append(ears, e)
	}
	return ears, nil
}

// connect opens the socket and begins to read. Where the surface has no
// acknowledgement of a subscription, a ping after it stands in for one: commands
// of a socket are carried out in order.
func (e *ear) connect(ctx context.Context, api chatServer, query url.Values, hello any, ping bool) error {
	u := *api.base
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.Path, u.RawQuery = e.path, query.Encode()
	conn, buffered, _, err := ws.Dial(ctx, u.String())
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	var r io.ReadWriter = conn
	if buffered != nil {
		r = struct {
			io.Reader
			io.Writer
		}{io.MultiReader(buffered, conn), conn}
	}
	go func() {
		defer close(e.frames)
		for {
			frame, err := wsutil.ReadServerText(r)
			if err != nil {
				return
			}
			select {
			case e.frames <- frame:
			case <-ctx.Done():
				return
			}
		}
	}()
	if hello != nil {
		if err := send(conn, hello); err != nil {
			return err
		}
	}
	if ping {
		if err := send(conn, map[string]string{"type": "ping"}); err != nil {
			return err
		}
		_, err = e.await(ctx, func(f []byte) bool { return bytes.Contains(f, []byte(`"pong"`)) })
	}
	return err
}

func send(w io.Writer, frame any) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return wsutil.WriteClientText(w, text)
}

// await returns the first frame that is wanted; others are passed over.
func (e *ear) await(ctx context.Context, wanted func([]byte) bool) ([]byte, error) {
	for {
		select {
		case frame, ok := <-e.frames:
			if !ok {
				return nil, errors.New("the connection ended")
			}
			if wanted(frame) {
				return frame, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// post sends a JSON request and reads the answer into out.
func (s chatServer) post(ctx context.Context, path, token string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, path, token, bytes.NewReader(text), out)
}

func (s chatServer) get(ctx context.Context, path, token string, out any) error {
	return s.call(ctx, http.MethodGet, path, token, nil, out)
}

func (s chatServer) call(ctx context.Context, method, path, token string, body io.Reader, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, s.base.JoinPath(path).String(), body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return reason(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return errors.New(refusal(response.StatusCode, answer))
	}
	return json.Unmarshal(answer, out)
}
