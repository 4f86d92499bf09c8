// Package logging sets up the structured log and keeps secrets out of it.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// New makes a logger that writes to w as text or, where format is "json", as
// JSON, one line for each record of at least level. What looks like a secret is
// blacked out, see Redact.
func New(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: RedactAttr}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if format == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	if b, ok := w.(*Buffer); ok {
		h = urgent{h, b}
	}
	return slog.New(h)
}

const redacted = "[redacted]"

// secretKeys are attributes whose value is a secret whatever it looks like.
var secretKeys = []string{"token", "secret", "password", "authorization", "cookie", "credentials", "api_key", "apikey"}

func isSecretKey(key string) bool {
	return slices.ContainsFunc(secretKeys, func(k string) bool { return strings.EqualFold(k, key) })
}

// RedactAttr is a ReplaceAttr of slog.HandlerOptions: it blacks out attributes
// that are named like a secret and what looks like one in any other, the message
// included.
func RedactAttr(_ []string, a slog.Attr) slog.Attr {
	if isSecretKey(a.Key) {
		return slog.String(a.Key, redacted)
	}
	var text string
	switch a.Value.Kind() {
	case slog.KindString:
		text = a.Value.String()
	case slog.KindAny:
		switch a.Value.Any().(type) {
		case *slog.Source, slog.Level:
			return a
		}
		text = fmt.Sprintf("%+v", a.Value.Any())
	default:
		return a
	}
	if clean := Redact(text); clean != text {
		return slog.String(a.Key, clean)
	}
	return a
}

var (
	// jsonWebToken: two or three parts, the first of which begins with {" in base64.
	jsonWebToken = regexp.MustCompile(`eyJ[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]*)?`)
	apiKey       = regexp.MustCompile(`parley_key_[A-Za-z0-9_-]+`)
	bearer       = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+`)
	// query: what follows the question mark of a URL or of a path.
	query    = regexp.MustCompile(`(/[^\s"'?]*)\?[^\s"']+`)
	userinfo = regexp.MustCompile(`(://)[^\s"'/?#]+@`)
)

// Redact blacks out what looks like a secret in a text: JSON web tokens, API
// keys, Authorization headers, the query of a URL (where clients put their token)
// and the user and password in one.
func Redact(text string) string {
	// Most texts have nothing that a secret could stand behind; the expressions cost
	// far more than to see that.
	if strings.Contains(text, "://") {
		text = userinfo.ReplaceAllString(text, "${1}"+redacted+"@")
	}
	if strings.IndexByte(text, '?') >= 0 {
		text = query.ReplaceAllString(text, "${1}?"+redacted)
	}
	if strings.IndexFunc(text, unicode.IsSpace) >= 0 {
		text = bearer.ReplaceAllString(text, "${1} "+redacted)
	}
	if strings.Contains(text, "eyJ") {
		text = jsonWebToken.ReplaceAllString(text, redacted)
	}
	if strings.Contains(text, "parley_key_") {
		text = apiKey.ReplaceAllString(text, "parley_key_"+redacted)
	}
	return text
}
