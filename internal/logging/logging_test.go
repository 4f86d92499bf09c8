package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyX2FuYSJ9.c2lnbmF0dXJl"
	key = "parley_key_3q2-7w0000000000000000000000000000000000_a"
)

func TestRedact(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a token":               {"bad token " + jwt + ", sorry", "bad token [redacted], sorry"},
		"an unsigned token":     {jwt[:strings.LastIndex(jwt, ".")+1], "[redacted]"},
		"an API key":            {"key " + key + ".", "key parley_key_[redacted]."},
		"a header":              {"Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"},
		"a URL":                 {`Get "http://h/ws?token=abc&cursor=x": EOF`, `Get "http://h/ws?[redacted]": EOF`},
		"a path":                {"GET /realtime?token=abc HTTP/1.1", "GET /realtime?[redacted] HTTP/1.1"},
		"a URL with a password": {"postgres://ana:pa%2Fss@db:5432/p", "postgres://[redacted]@db:5432/p"},
		"a question":            {"Where is my order 12345? It is late.", "Where is my order 12345? It is late."},
		"an address":            {"mail ana@example.com about http://h/x", "mail ana@example.com about http://h/x"},
		"an id":                 {"msg_01h455vb4pex5vsknk084sn02q", "msg_01h455vb4pex5vsknk084sn02q"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Redact(c.in); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNoSecretReachesTheLog(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			log := New(&out, format, slog.LevelInfo)
			u, _ := url.Parse("http://h/ws?token=" + jwt)
			log.With("token", "s3cret").WithGroup("request").Info("refused "+key,
				"header", http.Header{"Authorization": {"Bearer s3cret"}},
				"url", u, "error", errors.New("verify "+jwt),
				slog.Group("client", "password", "s3cret", "path", "/ws?token=s3cret"),
				"keys", []string{key}, "later", value(jwt))
			log.Debug("not told")
			for _, secret := range []string{"s3cret", jwt, key, "eyJ", "not told"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%s in %s", secret, &out)
				}
			}
			if n := strings.Count(out.String(), redacted); n < 8 {
				t.Errorf("%d values are blacked out, want 8 at least: %s", n, &out)
			}
		})
	}
}

// value is known only when it is logged.
type value string

func (v value) LogValue() slog.Value { return slog.StringValue(string(v)) }

func TestHarmlessAttributesStay(t *testing.T) {
	var out bytes.Buffer
	New(&out, "json", slog.LevelInfo).Info("told", "n", 7, "took", time.Second, "error", errors.New("refused"), "list", []int{1, 2})
	for _, want := range []string{`"n":7`, `"took":1000000000`, `"error":"refused"`, `"list":[1,2]`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
}
