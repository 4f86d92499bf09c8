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
	"time"
)

// chatServer is the server a chat talks with, by its address.
type chatServer struct{ base *url.URL }

func parseServer(address string) (chatServer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return chatServer{}, errors.New("--url: it must be an address such as http://127.0.0.1:8080")
	}
	return chatServer{u}, nil
}

// socket is the address of the bot surface; an empty cursor is left out.
func (s chatServer) socket(token, cursor string) string {
	u := s.base.JoinPath("ws")
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	q := url.Values{"token": {token}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// begin begins a session with an agent, or finds it again (contracts.md 2.4).
func (s chatServer) begin(ctx context.Context, token func() (string, error), bot string) (session string, err error) {
	bearer, err := token()
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]string{"bot_id": bot})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.JoinPath("api/sessions").String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+bearer)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", fmt.Errorf("cannot reach %s: %w", s.base.Redacted(), reason(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("read the server's answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return "", fmt.Errorf("the server did not begin a session with %s: %s", bot, refusal(response.StatusCode, answer))
	}
	var created struct {
		ID        string `json:"id"`
		SessionID string `json:"session_id"`
	}
	if err := json.Unmarshal(answer, &created); err != nil || firstOf(created.SessionID, created.ID) == "" {
		return "", fmt.Errorf("%s does not answer like a Parley server", s.base.Redacted())
	}
	return firstOf(created.SessionID, created.ID), nil
}

// reason is why a request failed, without the request around it.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal is what a refused request says in words: the documented error of the
// surface, else the status.
func refusal(status int, body []byte) string {
	var e struct {
		Error struct{ Message string } `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil && e.Error.Message != "" {
		return fmt.Sprintf("%s (%d)", e.Error.Message, status)
	}
	return fmt.Sprintf("%d %s", status, http.StatusText(status))
}
