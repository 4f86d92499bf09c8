package directory

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// Bounds of what people write, in bytes.
const (
	MinPassword = 8
	MaxPassword = 256
	maxEmail    = 254
	maxName     = 256
	maxBio      = 2048
	maxURL      = 2048
	maxLanguage = 35
)

func invalid(field, format string, args ...any) error {
	e := parley.Errorf(parley.CodeInvalidArgument, format, args...)
	e.Field = field
	return e
}

// NormalEmail is an e-mail as the directory knows it: in lower case, without white
// space around it. The error is CodeInvalidArgument.
func NormalEmail(text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	local, domain, ok := strings.Cut(email, "@")
	odd := func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`@<>",;`, r)
	}
	switch {
	case !ok, local == "", domain == "", len(email) > maxEmail, !utf8.ValidString(text),
		strings.ContainsFunc(local, odd), strings.ContainsFunc(domain, odd),
		strings.HasPrefix(domain, "."), strings.HasSuffix(domain, "."):
		return "", invalid("email", "email must be an e-mail address")
	}
	return email, nil
}

// checkPassword bounds a password that is to be hashed: all else is one's own
// choice.
func checkPassword(field, password string) error {
	if len(password) < MinPassword || len(password) > MaxPassword || !utf8.ValidString(password) {
		return invalid(field, "%s must have %d to %d bytes", field, MinPassword, MaxPassword)
	}
	return nil
}

// ProfileChange is what somebody changes of its profile; nil fields stay.
type ProfileChange struct {
	Name, Bio, AvatarURL, JobTitle, Language *string
}

// check bounds what it says; the empty string takes a field away.
func (c *ProfileChange) check() error {
	line := func(field string, text *string, most int, allowed string) error {
		bad := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(allowed, r) }
		if text != nil && (len(*text) > most || !utf8.ValidString(*text) || strings.ContainsFunc(*text, bad)) {
			return invalid(field, "%s must be at most %d bytes without control characters", field, most)
		}
		return nil
	}
	for _, err := range []error{
		line("display_name", c.Name, maxName, ""), line("bio", c.Bio, maxBio, "\n\t"),
		line("avatar_url", c.AvatarURL, maxURL, ""), line("job_title", c.JobTitle, maxName, ""),
	} {
		if err != nil {
			return err
		}
	}
	if c.AvatarURL != nil && *c.AvatarURL != "" {
		// Others show it: nothing but what a browser fetches.
		u, err := url.Parse(*c.AvatarURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return invalid("avatar_url", "avatar_url must be an http or https URL")
		}
	}
	if c.Language != nil && !isLanguage(*c.Language) {
		return invalid("language", "language must be a language tag such as de or de-CH")
	}
	return nil
}

// isLanguage reports whether a text has the shape of a language tag, or is empty.
func isLanguage(text string) bool {
	if text == "" {
		return true
	}
	for part := range strings.SplitSeq(text, "-") {
		if part == "" || len(part) > 8 || strings.ContainsFunc(part, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return false
		}
	}
	return len(text) <= maxLanguage
}

// apply makes the change.
func (c *ProfileChange) apply(p *parley.Profile) {
	for _, f := range []struct{ to, from *string }{
		{&p.Name, c.Name}, {&p.Bio, c.Bio}, {&p.AvatarURL, c.AvatarURL}, {&p.JobTitle, c.JobTitle}, {&p.Language, c.Language},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
}
