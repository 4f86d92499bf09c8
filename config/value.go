package config

import (
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/parley-chat/parley"
)

// value reads and writes the text of one setting. set is all or nothing.
type value struct {
	Form    string // what a value looks like, for help: "ADDRESS", "30s"
	List    bool   // may be named more than once
	Boolean bool
	set     func(texts []string) error
	get     func() []string
	show    func(string) string // hides what is secret in a text; nil: nothing is
}

// scalar is a value of one text.
func scalar(form string, set func(string) error, get func() string) value {
	return value{
		Form: form,
		set: func(texts []string) error {
			if len(texts) != 1 {
				return fmt.Errorf("takes one value, not %d", len(texts))
			}
			return set(texts[0])
		},
		get: func() []string { return []string{get()} },
	}
}

// textual is a scalar kept as it was written; check may be nil.
func textual(form string, p *string, optional bool, check func(string) error) value {
	return scalar(form, func(s string) error {
		if s == "" {
			if optional {
				*p = s
				return nil
			}
			return errors.New("it must not be empty")
		}
		if check != nil {
			if err := check(s); err != nil {
				return err
			}
		}
		*p = s
		return nil
	}, func() string { return *p })
}

func path(p *string, optional bool) value { return textual("PATH", p, optional, nil) }

func address(p *string, optional bool) value {
	return textual("HOST:PORT", p, optional, func(s string) error {
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return fmt.Errorf("%q is not host:port", s)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("%q is not a port", port)
		}
		return nil
	})
}

func org(p *parley.OrgID) value {
	return textual("ORG", (*string)(p), false, func(s string) error {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("it holds control characters")
		}
		return nil
	})
}

func oneOf(p *string, choices ...string) value {
	return textual(strings.Join(choices, "|"), p, false, func(s string) error {
		if !slices.Contains(choices, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(choices, ", "))
		}
		return nil
	})
}

func webURL(p *string) value {
	return textual("URL", p, true, func(s string) error {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
			return fmt.Errorf("%q is not a plain http or https URL", s)
		}
		return nil
	})
}

// secretURL may hold a password: it is not shown, in errors neither.
func secretURL(p *string, schemes ...string) value {
	v := textual("URL", p, true, func(s string) error {
		for part := range strings.SplitSeq(s, ",") {
			scheme, rest, ok := strings.Cut(strings.TrimSpace(part), "://")
			if !ok || rest == "" || !slices.Contains(schemes, scheme) {
				return fmt.Errorf("it is not a %s:// URL", schemes[0])
			}
		}
		return nil
	})
	v.show = hidePassword
	return v
}

// hidePassword hides the passwords of each URL in a list, wherever PostgreSQL
// takes one.
func hidePassword(list string) string {
	parts := strings.Split(list, ",")
	for i, part := range parts {
		u, err := url.Parse(part)
		if err != nil {
			parts[i] = "(hidden)"
			continue
		}
		q := u.Query()
		for _, name := range []string{"password", "sslpassword"} {
			if q.Has(name) {
				q.Set(name, "xxxxx")
				u.RawQuery = q.Encode()
			}
		}
		parts[i] = u.Redacted()
	}
	return strings.Join(parts, ",")
}

func boolean(p *bool) value {
	v := scalar("true|false", func(s string) (err error) {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		*p = b
		return nil
	}, func() string { return strconv.FormatBool(*p) })
	v.Boolean = true
	return v
}

func level(p *slog.Level) value {
	return scalar("debug|info|warn|error", func(s string) error {
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
			return fmt.Errorf("%q is none of debug, info, warn, error", s)
		}
		return p.UnmarshalText([]byte(s))
	}, func() string { return strings.ToLower(p.String()) })
}

// positive refuses zero: a limit of nothing would be a door that is shut, and
// none at all is not on offer.
func positive[T int | time.Duration](n T, text string) error {
	switch {
	case n == 0:
		return fmt.Errorf("%s is not allowed", text)
	case n < 0:
		return fmt.Errorf("%s is negative", text)
	}
	return nil
}

func count(p *int) value {
	return scalar("N", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", s)
		}
		if err := positive(n, s); err != nil {
			return err
		}
		*p = n
		return nil
	}, func() string { return strconv.Itoa(*p) })
}

func size(p *int) value {
	return scalar("SIZE", func(s string) error {
		n, err := parseSize(s)
		if err == nil {
			err = positive(n, s)
		}
		if err != nil {
			return err
		}
		*p = n
		return nil
	}, func() string { return formatSize(*p) })
}

func duration(p *time.Duration) value {
	return scalar("TIME", func(s string) error {
		d, err := parseDuration(s)
		if err == nil {
			err = positive(d, s)
		}
		if err != nil {
			return err
		}
		*p = d
		return nil
	}, func() string { return formatDuration(*p) })
}

// list is a value of many texts.
func list[T any](form string, p *[]T, parse func(string) (T, error), format func(T) string) value {
	return value{
		Form: form, List: true,
		set: func(texts []string) error {
			var all []T
			for _, text := range texts {
				one, err := parse(text)
				if err != nil {
					return err
				}
				all = append(all, one)
			}
			*p = all
			return nil
		},
		get: func() []string {
			texts := make([]string, len(*p))
			for i, one := range *p {
				texts[i] = format(one)
			}
			return texts
		},
	}
}

func origins(p *[]string) value {
	return list("ORIGIN", p, func(s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.String() != u.Scheme+"://"+u.Host {
			return "", fmt.Errorf("%q is not an origin such as https://app.example.com", s)
		}
		return strings.ToLower(s), nil
	}, func(s string) string { return s })
}

func eventTypes(p *[]string) value {
	return list("TYPE", p, func(s string) (string, error) {
		if _, known := parley.SpecOf(parley.EventType(s)); known {
			return "", fmt.Errorf("%q is a built-in event type; whether it is stored is not a setting", s)
		}
		return s, nil
	}, func(s string) string { return s })
}

func mediaTypes(p *[]string) value {
	return list("TYPE", p, func(s string) (string, error) {
		media, params, err := mime.ParseMediaType(s)
		kind, sub, ok := strings.Cut(media, "/")
		if err != nil || !ok || kind == "" || sub == "" || len(params) > 0 || kind == "*" && sub != "*" {
			return "", fmt.Errorf("%q is not a content type such as image/png or image/*", s)
		}
		return media, nil
	}, func(s string) string { return s })
}

func networks(p *[]netip.Prefix) value {
	return list("NETWORK", p, func(s string) (netip.Prefix, error) {
		if a, err := netip.ParseAddr(s); err == nil {
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return n, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
		}
		return n.Masked(), nil
	}, netip.Prefix.String)
}

func issuers(p *[]Issuer) value {
	return list("ISSUER", p, parseIssuer, func(i Issuer) string {
		s := "issuer=" + i.Name + ",secret_file=" + i.SecretFile
		if i.Org != "" {
			s += ",org=" + string(i.Org)
		}
		if i.Audience != "" {
			s += ",audience=" + i.Audience
		}
		return s
	})
}

// parseIssuer reads "issuer=https://id.example,secret_file=/run/secrets/id" with
// org and audience besides where wanted.
func parseIssuer(s string) (Issuer, error) {
	var i Issuer
	fields := map[string]*string{"issuer": &i.Name, "secret_file": &i.SecretFile, "org": (*string)(&i.Org), "audience": &i.Audience}
	for pair := range strings.SplitSeq(s, ",") {
		key, text, _ := strings.Cut(pair, "=")
		field := fields[strings.TrimSpace(key)]
		if field == nil || text == "" || *field != "" {
			return i, errors.New("an issuer is written issuer=NAME,secret_file=PATH[,org=ORG][,audience=NAME]")
		}
		*field = text
	}
	if i.Name == "" || i.SecretFile == "" {
		return i, errors.New("an issuer needs issuer and secret_file")
	}
	return i, nil
}
