package tests

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/httpd"
)

// signingKey is the server's own key, as a thief would have it.
func (s *server) signingKey() ed25519.PrivateKey {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, auth.KeyFile))
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}

// forge signs claims; a nil value takes a claim out.
func (s *server) forge(change map[string]any, method jwt.SigningMethod, key any) string {
	s.t.Helper()
	claims := jwt.MapClaims{
		"iss": auth.OwnIssuer, "aud": auth.AccessAudience, "sub": "ada", "org": string(org),
		"exp": time.Now().Add(time.Hour).Unix(), "jti": "forged",
	}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = s.keys.ID()
	text, err := token.SignedString(key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// badTokens are credentials that must open nothing, by what is wrong with them.
func (s *server) badTokens() map[string]string {
	s.t.Helper()
	eddsa, own := jwt.SigningMethodEdDSA, s.signingKey()
	_, strange, _ := ed25519.GenerateKey(nil)
	good := s.token("ada")
	parts := strings.Split(good, ".")
	flipped := []byte(good)
	flipped[len(flipped)-20] ^= 1
	return map[string]string{
		"garbage": "garbage", "dots": "..", "very long": strings.Repeat("x", 9000), "not ASCII": "\u00e9\u2028",
		"tampered":         string(flipped),
		"of other claims":  parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"root","org":"org_test","aud":"parley","iss":"parley","exp":9999999999}`)) + "." + parts[2],
		"without its end":  parts[0] + "." + parts[1] + ".",
		"not signed":       s.forge(nil, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"by the public":    s.forge(nil, jwt.SigningMethodHS256, []byte(own.Public().(ed25519.PublicKey))),
		"by another key":   s.forge(nil, eddsa, strange),
		"expired":          s.forge(map[string]any{"exp": time.Now().Add(-6 * time.Second).Unix()}, eddsa, own),
		"not yet valid":    s.forge(map[string]any{"nbf": time.Now().Add(time.Minute).Unix()}, eddsa, own),
		"without an end":   s.forge(map[string]any{"exp": nil}, eddsa, own),
		"of no audience":   s.forge(map[string]any{"aud": nil}, eddsa, own),
		"of an audience":   s.forge(map[string]any{"aud": "somebody-else"}, eddsa, own),
		"of an issuer":     s.forge(map[string]any{"iss": "somebody-else"}, eddsa, own),
		"of no org":        s.forge(map[string]any{"org": nil}, eddsa, own),
		"of nobody":        s.forge(map[string]any{"sub": nil}, eddsa, own),
		"of a list":        s.forge(map[string]any{"sub": []string{"ada"}}, eddsa, own),
		"of a strange sub": s.forge(map[string]any{"sub": "a\x00b"}, eddsa, own),
		"an unknown key":   auth.KeyPrefix + strings.Repeat("A", 43),
		"half a key":       auth.KeyPrefix + "x",
	}
}

// Whatever is wrong with a credential, every door gives the same answer to it, in
// its own shape, and nobody else suffers.
func TestBadTokensOpenNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--failed-auth-per-second", "100000", "--ip-sockets", "1000")
	s.start()
	bad := s.badTokens()
	for _, rt := range httpd.Routes() {
		if rt.Open {
			continue
		}
		path := placed(rt.Path, "x")
		for what, token := range map[string]string{"missing": "", "of the wrong class": s.messagingToken(s.token("ada"))} {
			a := s.request(t, rt.Method, path, token, "application/json", "{}")
			if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with a token that is %s: %d", rt.Method, path, what, a.status)
			}
			checkShape(t, rt.Surface, a)
		}
		said := map[string]string{}
		for what, token := range bad {
			if what == "not ASCII" {
				continue // not for a header
			}
			a := s.request(t, rt.Method, path, token, "application/json", "{}")
			if a.status != http.StatusUnauthorized {
				t.Errorf("%s %s with a token that is %s: %d %s", rt.Method, path, what, a.status, a.text)
			}
			checkShape(t, rt.Surface, a)
			said[what] = withoutCursors(a.text)
		}
		sameForAll(t, said)
	}
	for _, surface := range surfaces {
		said := map[string]string{}
		for what, token := range bad {
			q := s.door(surface, s.token("ada"))
			q.Set("token", token)
			said[what] = s.refusedAtDoor(t, surface, q, what)
		}
		sameForAll(t, said)
		q := s.door(surface, s.token("ada"))
		q.Set("token", "") // named, and empty
		s.refusedAtDoor(t, surface, q, "empty")
	}
	for _, surface := range []string{"events", "topics"} { // contracts.md section 6: chat only
		q := s.door(surface, s.token("ada"))
		q.Set("token", s.messagingToken(s.token("ada")))
		s.refusedAtDoor(t, surface, q, "messaging")
	}
	s.open("bot", s.token("ada")).alive()
}

// refusedAtDoor fails the test unless an upgrade is refused with 401 in the shape
// of its path (contracts.md 1.3, C17).
func (s *server) refusedAtDoor(t testing.TB, surface string, q url.Values, what string) string {
	t.Helper()
	c, answer, err := upgrade(t, s.address, surface, q)
	if err != nil {
		t.Fatalf("%s, %s: %v", surface, what, err)
	}
	if c != nil {
		c.conn.Close()
		t.Errorf("%s: let in with a token that is %s", surface, what)
		return ""
	}
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s: %d for a token that is %s: %s", surface, answer.StatusCode, what, body)
	}
	want := `"detail":"`
	if socketPaths[surface] == "/ws" {
		want = `"code":"AUTH_FAILED"`
	}
	if surface != "topics" && !bytes.Contains(body, []byte(want)) {
		t.Errorf("%s: no %s in %s", surface, want, body)
	}
	return string(body)
}

// In a first frame a bad token is answered with AUTH_FAILED, and the socket closed
// with a code that means "come back" with a better one.
func TestBadTokensInAFirstFrame(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--failed-auth-per-second", "100000", "--ip-sockets", "1000", "--auth-timeout", "1s")
	s.start()
	bad := s.badTokens()
	frames := map[string]string{"bot": `{"type":"auth","token":%q}`, "topics": `{"op":"auth","token":%q}`, "chat": `{"action":"auth","token":%q}`}
	code := map[string]string{"bot": "AUTH_FAILED", "topics": "UNAUTHENTICATED", "chat": "unauthenticated"}
	unauthenticated := func(surface string) *socket {
		c, _, err := upgrade(t, s.address, surface, nil)
		if err != nil || c == nil {
			t.Fatalf("%s: not upgraded without a token: %v", surface, err)
		}
		return c
	}
	for surface, frame := range frames {
		said := map[string]string{}
		for what, token := range bad {
			if what == "not ASCII" {
				continue // Go's quotes are not JSON's
			}
			c := unauthenticated(surface)
			c.send(fmt.Sprintf(frame, token))
			got, text := c.refused()
			if got != code[surface] {
				t.Errorf("%s: a token that is %s: %s", surface, what, text)
			}
			if end := c.end(patience); end != 4401 {
				t.Errorf("%s: a token that is %s: closed with %d", surface, what, end)
			}
			said[what] = text
		}
		sameForAll(t, said)
		// A good socket is not closed for a bad refresh, and stays who it was.
		c := s.open(surface, s.token("ada"))
		c.send(fmt.Sprintf(frame, s.token("bob")), fmt.Sprintf(frame, bad["expired"]))
		c.refused()
		c.refused()
		c.alive()
		// Nothing but a token is listened to before there is one, and not for ever.
		c = unauthenticated(surface)
		c.send(strings.ReplaceAll(map[string]string{
			"bot": `{"type":"subscribe","session_id":"$"}`, "topics": `{"op":"subscribe","id":"1","topics":["events.org_test.*.*.*.*"]}`,
			"chat": `{"action":"subscribe","conversation_ids":["$"]}`,
		}[surface], "$", parley.ConversationID(uuids{}.NewID()).String()))
		c.refused()
		if end := c.end(patience); end != 4401 {
			t.Errorf("%s: a command before a token: closed with %d", surface, end)
		}
		c = unauthenticated(surface)
		c.send(c.ping())
		c.refusedLater(patience)
	}
}

// refusedLater waits out the time to authenticate.
func (c *socket) refusedLater(within time.Duration) {
	c.t.Helper()
	if end := c.end(within); end != 4401 {
		c.t.Errorf("%s: without a token: closed with %d", c.surface, end)
	}
}

// run runs the command line on the server's data directory.
func (s *server) run(args ...string) (stdout, stderr string) {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--data", s.dir, "--org", string(org))...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("parley %v: %v: %s", args, err, &problems)
	}
	return strings.TrimSpace(out.String()), problems.String()
}

var keyID = regexp.MustCompile(`key_[0-9a-z]+`)

// P6: a key that was revoked, by another process, closes its sockets and opens
// nothing within a second; so does what was minted of it.
func TestARevokedKeyIsWorthNothingWithinASecond(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	secret, told := s.run("key", "create", "--name", "back end", "--as", "backend")
	conversation := s.conversation(secret, "group", "bob")
	post := s.poster(s.token("bob"), conversation)
	minted := s.messagingToken(secret)
	var sockets []*socket
	for _, surface := range surfaces {
		c := s.open(surface, secret)
		c.subscribe(conversation)
		sockets = append(sockets, c)
	}
	post("while it is good")
	for _, c := range sockets {
		c.until(messageWord[c.surface])
	}

	s.run("key", "revoke", keyID.FindString(told))
	// The promise is a second; as much again is for a machine that is busy.
	const promised, slack = time.Second, time.Second
	revoked := time.Now()
	eventually(t, promised+slack, "the key is refused", func() bool {
		return s.request(t, "GET", "/v1/chat/conversations", secret, "", "").status == http.StatusUnauthorized
	})
	for _, c := range sockets {
		if code := c.end(promised + slack); code != 4501 {
			t.Errorf("%s: closed with %d, want 4501", c.surface, code)
		}
	}
	if took := time.Since(revoked); took > promised+slack {
		t.Errorf("the sockets were closed after %s", took)
	}
	for _, surface := range surfaces {
		q := s.door(surface, s.token("bob"))
		q.Set("token", secret)
		s.refusedAtDoor(t, surface, q, "revoked")
	}
	q := url.Values{"token": {minted}}
	s.refusedAtDoor(t, "chat", q, "minted of a key that was revoked")
	s.kill()
	s.start()
	if a := s.request(t, "GET", "/v1/chat/conversations", secret, "", ""); a.status != http.StatusUnauthorized {
		t.Errorf("after a restart: %d", a.status)
	}
}
