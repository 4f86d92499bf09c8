package config

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Text is the value of a setting as it may be shown: passwords are hidden.
func (s *Setting) Text() string {
	texts := s.get()
	for i, text := range texts {
		if s.show != nil && text != "" {
			text = s.show(text)
		}
		texts[i] = quote(text)
	}
	if s.List {
		return "[" + strings.Join(texts, ", ") + "]"
	}
	return texts[0]
}

// plainText needs no quotes in YAML.
var plainText = regexp.MustCompile(`^[A-Za-z0-9./][A-Za-z0-9_./:@+-]*$`)

func quote(s string) string {
	if plainText.MatchString(s) && !strings.HasSuffix(s, ":") {
		return s
	}
	return strconv.Quote(s)
}

// Print writes the effective settings as a YAML file, with the source of each
// beside it.
func (c *Config) Print(w io.Writer) error {
	return c.write(w, func(s *Setting, line string) string {
		return fmt.Sprintf("%-48s # %s", line, c.Source(s.Key))
	})
}

// PrintReference writes the defaults as a YAML file that explains itself.
func PrintReference(w io.Writer) error {
	return Default().write(w, func(s *Setting, line string) string {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		return fmt.Sprintf("%s# %s. %s, --%s, %s\n%s", indent, sentence(s.Help), s.Form, s.Flag(), s.Env(), line)
	})
}

func (c *Config) write(w io.Writer, line func(s *Setting, yaml string) string) error {
	var out strings.Builder
	inLimits := false
	for i := range c.settings {
		s := &c.settings[i]
		indent := ""
		if s.Limit() {
			if !inLimits {
				out.WriteString("limits:\n")
			}
			inLimits, indent = true, "  "
		}
		out.WriteString(line(s, indent+strings.TrimPrefix(s.Key, limitsPrefix)+": "+s.Text()))
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// WriteMarkdown writes the page docs/reference/configuration.md.
func WriteMarkdown(w io.Writer) error {
	var out strings.Builder
	out.WriteString(markdownHead)
	row := func(s *Setting) {
		text := s.Text()
		switch text {
		case `""`, "[]":
			text = ""
		default:
			text = "`" + text + "`"
		}
		fmt.Fprintf(&out, "| `%s` | `--%s` | %s | %s | %s |\n", s.Key, s.Flag(), strings.ReplaceAll(s.Form, "|", " or "), text, sentence(s.Help))
	}
	settings := Default().settings
	first := slices.IndexFunc(settings, func(s Setting) bool { return s.Limit() })
	table := "| setting | flag | value | default | what it does |\n|---|---|---|---|---|\n"
	out.WriteString(table)
	for i := range settings {
		if i == first {
			out.WriteString(markdownLimits + table)
		}
		row(&settings[i])
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

const markdownHead = `# Configuration

<!-- Made from config/settings.go by go test ./config -update; do not edit. -->

Settings come, in rising order, from the defaults, a YAML file (` + "`--config FILE` or `PARLEY_CONFIG`" + `), the
environment and flags. A setting's variable is its name in capitals after ` + "`PARLEY_`" + `, with ` + "`_`" + ` for ` + "`.`" + `:
` + "`limits.ping_interval` is `PARLEY_LIMITS_PING_INTERVAL`" + `. An empty variable counts as missing. A setting that
does not exist, in the file or in the environment, stops the start, as does a value that cannot be used; the error
names both the setting and where it came from. ` + "`parley config`" + ` prints what is in effect and why.

Times are written ` + "`250ms`, `30s`, `5m`, `7d`" + `; sizes ` + "`512B`, `64KiB`, `1MiB`" + `. Lists are YAML lists, flags given
more than once, or variables with commas. A switch is turned on by ` + "`--demo-agent`" + ` and off by ` + "`--no-demo-agent`" + `.
Secrets are named by the file that holds them; a password in a URL is never printed.

An issuer is written ` + "`issuer=NAME,secret_file=PATH`" + ` with ` + "`,org=ORG`" + ` (it speaks for this org only) and
` + "`,audience=NAME`" + ` (default ` + "`parley`" + `) where wanted; in the file also as a mapping of the same names. In a variable
issuers are separated by white space.

`

const markdownLimits = `
## Limits

Every limit is always on: zero is an error, not infinity. The flag of a limit is its name without ` + "`limits.`" + `.

`
