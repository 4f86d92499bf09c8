package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Input is where settings may come from besides the defaults.
type Input struct {
	// File is a YAML file; empty: PARLEY_CONFIG, and where that is empty too, none.
	File string
	// Env is the environment, as os.Environ gives it. Empty variables count as
	// missing.
	Env []string
	// Flags are the texts given by flag, by the setting's key.
	Flags map[string][]string
}

// given is one setting as somebody wrote it.
type given struct {
	key    string
	texts  []string
	source string
}

// Load makes a Config. The error names every setting that is wrong, one to a
// line, and where it came from.
func Load(in Input) (*Config, error) {
	c := Default()
	env, envErr := c.fromEnv(in.Env)
	file := in.File
	if file == "" {
		file = lookup(in.Env, fileVariable)
	}
	var fromFile []given
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if fromFile, err = parseFile(file, text); err != nil {
			return nil, err
		}
	}
	problems := []error{envErr}
	for _, g := range slices.Concat(fromFile, env, c.fromFlags(in.Flags)) {
		if err := c.apply(g); err != nil {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) apply(g given) error {
	s := c.setting(g.key)
	if s == nil {
		return fmt.Errorf("%s: there is no such setting%s (from %s)", g.key, c.like(g.key), g.source)
	}
	if err := s.set(g.texts); err != nil {
		return fmt.Errorf("%s: %w (from %s)", g.key, err, g.source)
	}
	c.sources[g.key] = g.source
	return nil
}

func (c *Config) setting(key string) *Setting {
	i := slices.IndexFunc(c.settings, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return nil
	}
	return &c.settings[i]
}

// like guesses what was meant: the setting that is the same but for dashes, dots
// and the singular, or that ends alike.
func (c *Config) like(key string) string {
	plain := func(s string) string {
		return strings.TrimSuffix(strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s)), "s")
	}
	for _, s := range c.settings {
		if want := plain(s.Key); want == plain(key) || s.Limit() && strings.HasSuffix(want, plain(key)) {
			return ", did you mean " + s.Key + "?"
		}
	}
	return ""
}

func (c *Config) fromFlags(flags map[string][]string) []given {
	var all []given
	for _, s := range c.settings {
		if texts := flags[s.Key]; texts != nil {
			all = append(all, given{s.Key, texts, "--" + s.Flag()})
		}
	}
	return all
}

// fileVariable names the file where no flag does.
const fileVariable = "PARLEY_CONFIG"

// clientVariables are read by the clients on the command line.
var clientVariables = []string{fileVariable, "PARLEY_TOKEN", "PARLEY_URL"}

// serviceLink is what Kubernetes puts into every container of a namespace that
// has a service called parley.
var serviceLink = regexp.MustCompile(`^PARLEY_(.*_)?(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP|SCTP)(_.*)?)?)$`)

// fromEnv reads the PARLEY_ variables; one that is nobody's is an error, because
// it is most likely a setting spelled wrong.
func (c *Config) fromEnv(env []string) ([]given, error) {
	var all []given
	var problems []error
	known := map[string]*Setting{}
	for i := range c.settings {
		known[c.settings[i].Env()] = &c.settings[i]
	}
	for _, pair := range env {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "PARLEY_") || text == "" {
			continue
		}
		s := known[name]
		switch {
		case s != nil:
			all = append(all, given{s.Key, s.split(text), name})
		case !slices.Contains(clientVariables, name) && !serviceLink.MatchString(name):
			problems = append(problems, fmt.Errorf("%s: there is no such variable%s (from the environment)",
				name, c.like(strings.TrimPrefix(name, "PARLEY_"))))
		}
	}
	return all, errors.Join(problems...)
}

// split makes a list of a variable's text: by white space, and by commas where
// the elements hold none themselves.
func (s *Setting) split(text string) []string {
	switch {
	case !s.List:
		return []string{text}
	case s.Key == "issuer":
		return strings.Fields(text)
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

func lookup(env []string, name string) string {
	for _, pair := range slices.Backward(env) { // the last one counts, as for a child process
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			return text
		}
	}
	return ""
}

// check looks at settings that must fit each other.
func (c *Config) check() error {
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s (from %s)", key, fmt.Sprintf(format, args...), c.Source(key)))
	}
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		bad("tls_cert", "tls_key is missing")
	case c.TLSKey != "" && c.TLSCert == "":
		bad("tls_key", "tls_cert is missing")
	}
	if c.NATSURL != "" && c.NATSListen != "" {
		bad("nats_listen", "there is no server inside this process to open, nats_url names another")
	}
	if c.NATSListen != "" && c.NATSTokenFile == "" && !loopback(c.NATSListen) {
		bad("nats_listen", "%s is open to other machines, so that nats_token_file must name a token for them to show", c.NATSListen)
	}
	if c.NATSTokenFile != "" && c.NATSListen == "" {
		bad("nats_token_file", "the NATS server inside this process is closed to others, nats_listen is missing")
	}
	if c.NATSCredentials != "" && c.NATSURL == "" {
		bad("nats_credentials", "nats_url is missing")
	}
	if c.Attachments == "s3" {
		for _, s := range [...][2]string{
			{"s3_endpoint", c.S3.Endpoint}, {"s3_bucket", c.S3.Bucket}, {"s3_access_key", c.S3.AccessKey}, {"s3_secret_file", c.S3.SecretFile},
		} {
			if s[1] == "" {
				bad("attachments", "%s is missing", s[0])
			}
		}
	}
	if l := c.Limits; l.DrainBytes < l.FrameBytes {
		bad("limits.drain_bytes", "%s is less than limits.frame_bytes, %s", formatSize(l.DrainBytes), formatSize(l.FrameBytes))
	}
	return errors.Join(problems...)
}

// loopback reports whether an address, host:port, is for this machine only. A
// name other than localhost may mean anything.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
