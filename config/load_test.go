package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parley.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSourcesInRisingOrder(t *testing.T) {
	in := Input{}
	want := func(listen, source string) {
		t.Helper()
		c, err := Load(in)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(c.Source("listen"), filepath.Dir(in.File)+string(filepath.Separator), "")
		if c.Listen != listen || got != source {
			t.Errorf("listen is %s from %s, want %s from %s", c.Listen, got, listen, source)
		}
	}
	want("127.0.0.1:8080", "default")
	in.File = write(t, "# ours\nlisten: :1\n")
	want(":1", "parley.yaml:2")
	in.Env = []string{"PARLEY_LISTEN="}
	want(":1", "parley.yaml:2") // empty counts as missing
	in.Env = []string{"PARLEY_LISTEN=:2", "HOME=/"}
	want(":2", "PARLEY_LISTEN")
	in.Flags = map[string][]string{"listen": {":3"}}
	want(":3", "--listen")
}

func TestTheFileMayBeNamedByTheEnvironment(t *testing.T) {
	c, err := Load(Input{Env: []string{"PARLEY_CONFIG=" + write(t, "org: org_acme")}})
	if err != nil || c.Org != "org_acme" {
		t.Errorf("org %v, %v", c, err)
	}
}

func TestEveryKindOfValue(t *testing.T) {
	c, err := Load(Input{
		File: write(t, `
ephemeral_type: [cursor.moved]
trusted_proxy:
  - 10.1.2.3/8
  - ::1
issuer:
  - issuer: https://id.example
    secret_file: /run/secrets/id
    org: org_acme
  - issuer=b,secret_file=/b,audience=x
limits: {frame_bytes: 128KiB, log_retention: 14d}
`),
		Env:   []string{"PARLEY_DEMO_AGENT=false", "PARLEY_LIMITS_PING_INTERVAL=45s", "PARLEY_ALLOWED_ORIGIN=https://a.example, http://localhost:5173"},
		Flags: map[string][]string{"drain_timeout": {"1m30s"}, "log_level": {"debug"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	issuers := []Issuer{
		{Name: "https://id.example", SecretFile: "/run/secrets/id", Org: "org_acme"},
		{Name: "b", SecretFile: "/b", Audience: "x"},
	}
	if !reflect.DeepEqual(c.Issuers, issuers) {
		t.Errorf("issuers %+v", c.Issuers)
	}
	texts := map[string]string{}
	for _, s := range c.Settings() {
		texts[s.Key] = s.Text()
	}
	for key, want := range map[string]string{
		"ephemeral_type": "[cursor.moved]", "demo_agent": "false", "drain_timeout": "1m30s", "log_level": "debug",
		"limits.frame_bytes": "128KiB", "limits.log_retention": "14d", "limits.ping_interval": "45s",
		"trusted_proxy": `[10.0.0.0/8, "::1/128"]`, "allowed_origin": "[https://a.example, http://localhost:5173]",
	} {
		if texts[key] != want {
			t.Errorf("%s is %s, want %s", key, texts[key], want)
		}
	}
	if c.Limits.PingInterval != 45*time.Second || c.Limits.FrameBytes != 128<<10 {
		t.Errorf("limits %+v", c.Limits)
	}
}

func TestWhatIsWrongIsNamedWithItsSource(t *testing.T) {
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"a zero limit":            {Input{Env: []string{"PARLEY_LIMITS_FRAME_BYTES=0"}}, "limits.frame_bytes: 0 is not allowed (from PARLEY_LIMITS_FRAME_BYTES)"},
		"a zero time":             {Input{Flags: byFlag("limits.ping_interval", "0s")}, "limits.ping_interval: 0s is not allowed (from --ping-interval)"},
		"a negative limit":        {Input{Flags: byFlag("limits.ip_sockets", "-1")}, "limits.ip_sockets: -1 is negative (from --ip-sockets)"},
		"a time without a unit":   {Input{Flags: byFlag("drain_timeout", "30")}, `drain_timeout: "30" is not a time such as 30s, 5m or 7d (from --drain-timeout)`},
		"a size in another unit":  {Input{Flags: byFlag("limits.frame_bytes", "64KB")}, `limits.frame_bytes: "64KB" is not a size such as 64KiB or 1MiB (from --frame-bytes)`},
		"a size too large":        {Input{Flags: byFlag("limits.frame_bytes", "9999999999GiB")}, `limits.frame_bytes: "9999999999GiB" is not a size`},
		"an address":              {Input{Flags: byFlag("listen", "8080")}, `listen: "8080" is not host:port (from --listen)`},
		"a port":                  {Input{Flags: byFlag("listen", ":http")}, `listen: "http" is not a port (from --listen)`},
		"a choice":                {Input{Flags: byFlag("log_format", "xml")}, `log_format: "xml" is none of text, json (from --log-format)`},
		"an origin with a path":   {Input{Flags: byFlag("allowed_origin", "https://a/b")}, `allowed_origin: "https://a/b" is not an origin`},
		"every origin":            {Input{Flags: byFlag("allowed_origin", "*")}, `allowed_origin: "*" is not an origin`},
		"a network":               {Input{Flags: byFlag("trusted_proxy", "10.0.0.0/99")}, `trusted_proxy: "10.0.0.0/99" is neither`},
		"a store":                 {Input{Flags: byFlag("store_url", "mysql://ana:pa55@db")}, "store_url: it is not a postgres:// URL (from --store-url)"},
		"an issuer":               {Input{Flags: byFlag("issuer", "https://id.example")}, "issuer: an issuer is written issuer=NAME"},
		"a bucket without a name": {Input{Flags: byFlag("attachments", "s3")}, "attachments: s3_bucket is missing"},
		"an attachment's type":    {Input{Flags: byFlag("attachment_type", "image")}, `attachment_type: "image" is not a content type`},
		"an issuer's secret":      {Input{Flags: byFlag("issuer", "issuer=a")}, "issuer: an issuer needs issuer and secret_file"},
		"a public URL":            {Input{Flags: byFlag("public_url", "chat.example")}, `public_url: "chat.example" is not a plain http or https URL`},
		"neither true nor false":  {Input{Flags: byFlag("demo_agent", "perhaps")}, `demo_agent: "perhaps" is neither true nor false (from --demo-agent)`},
		"an org of two lines":     {Input{Flags: byFlag("org", "a\nb")}, "org: it holds control characters (from --org)"},
		"an empty value":          {Input{Flags: byFlag("data", "")}, "data: it must not be empty (from --data)"},
		"a certificate alone":     {Input{Flags: byFlag("tls_cert", "c.pem")}, "tls_cert: tls_key is missing (from --tls-cert)"},
		"a key alone":             {Input{Flags: byFlag("tls_key", "k.pem")}, "tls_key: tls_cert is missing (from --tls-key)"},
		"two NATS":                {Input{Flags: map[string][]string{"nats_url": {"nats://n"}, "nats_listen": {":4222"}}}, "nats_listen: there is no server"},
		"NATS open to others":     {Input{Flags: byFlag("nats_listen", ":4222")}, "nats_listen: :4222 is open to other machines"},
		"NATS token for nobody":   {Input{Flags: byFlag("nats_token_file", "f")}, "nats_token_file: the NATS server inside this process is closed"},
		"NATS credentials alone":  {Input{Flags: byFlag("nats_credentials", "f")}, "nats_credentials: nats_url is missing"},
		"limits that disagree":    {Input{Flags: byFlag("limits.frame_bytes", "2MiB")}, "limits.drain_bytes: 1MiB is less than limits.frame_bytes, 2MiB (from default)"},
		"an unknown variable":     {Input{Env: []string{"PARLEY_PING_INTERVAL=3s"}}, "PARLEY_PING_INTERVAL: there is no such variable, did you mean limits.ping_interval? (from the environment)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "pa55") {
				t.Error("the error tells a password")
			}
		})
	}
}

func byFlag(key, text string) map[string][]string { return map[string][]string{key: {text}} }

func TestAFileThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":     {"listen: :1\nlisten_on: :2", "listen_on: there is no such setting (from parley.yaml:2)"},
		"a key nearly right": {"admin-listen: :1", "admin-listen: there is no such setting, did you mean admin_listen? (from parley.yaml:1)"},
		"an unknown limit":   {"limits:\n  frames: 1", "limits.frames: there is no such setting (from parley.yaml:2)"},
		"a limit unnested":   {"ping_interval: 3s", "did you mean limits.ping_interval? (from parley.yaml:1)"},
		"a key twice":        {"org: a\norg: b", "parley.yaml:2: not valid YAML"},
		"no YAML":            {"org: [", "parley.yaml:1: not valid YAML"},
		"a list":             {"- org", "parley.yaml:1: not settings"},
		"a word":             {"org", "parley.yaml:1: not settings"},
		"no value":           {"org:", "org: it has no value (from parley.yaml:1)"},
		"a list of orgs":     {"org: [a, b]", "org: takes one value, not 2 (from parley.yaml:1)"},
		"a mapping":          {"org: {name: a}", "org.name: there is no such setting (from parley.yaml:1)"},
		"an alias":           {"data: &d ./x\ntls_key: *d", "it is not a plain value (from parley.yaml:"},
		"two documents":      {"org: a\n---\norg: b", "parley.yaml: holds more than one document"},
		"two mistakes":       {"listen: 1\norg: ''", "org: it must not be empty (from parley.yaml:2)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := Load(Input{File: path})
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), path, "parley.yaml"), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := Load(Input{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil {
		t.Error("a file that is not there is passed over")
	}
	if _, err := Load(Input{File: write(t, "# nothing yet\n")}); err != nil {
		t.Errorf("a file of comments: %v", err)
	}
}

func TestVariablesThatAreNotSettings(t *testing.T) {
	_, err := Load(Input{Env: []string{
		"PARLEY_TOKEN=x", "PARLEY_URL=http://h", // for the clients
		"PARLEY_SERVICE_HOST=10.0.0.1", "PARLEY_SERVICE_PORT_HTTP=80", "PARLEY_PORT=tcp://10.0.0.1:80", // from Kubernetes
		"PARLEY_PORT_80_TCP_ADDR=10.0.0.1", "PARLEY_NATS_SERVICE_HOST=10.0.0.2",
		"PARLEYS=1",
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestEveryLimitIsASetting(t *testing.T) {
	c := Default()
	limits := reflect.TypeFor[parley.Limits]()
	for f := range limits.Fields() {
		if s := c.setting("limits." + f.Tag.Get("json")); s == nil {
			t.Errorf("%s is no setting", f.Name)
		}
	}
	n := 0
	for _, s := range c.Settings() {
		if s.Limit() {
			n++
		}
	}
	if n != limits.NumField() {
		t.Errorf("%d settings for %d limits", n, limits.NumField())
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	c := Default()
	for _, s := range c.Settings() {
		for _, name := range []string{s.Key, "--" + s.Flag(), s.Env()} {
			if seen[name] {
				t.Errorf("%s twice", name)
			}
			seen[name] = true
		}
	}
}

func TestReadSecret(t *testing.T) {
	path := write(t, "s3cret\r\n")
	if s, err := ReadSecret(path); err != nil || string(s) != "s3cret" {
		t.Errorf("got %q, %v", s, err)
	}
	if _, err := ReadSecret(write(t, "\n")); err == nil {
		t.Error("an empty secret is accepted")
	}
	if _, err := ReadSecret(path + "x"); err == nil {
		t.Error("a missing file is accepted")
	}
}

// FuzzFile: no file makes it panic, and what is accepted prints to something that
// is accepted again and means the same.
func FuzzFile(f *testing.F) {
	f.Add("listen: :1\nlimits:\n  frame_bytes: 1KiB\n")
	f.Add("issuer:\n  - issuer: a\n    secret_file: b\n")
	f.Add("trusted_proxy: [::1]\nallowed_origin: []\n")
	f.Add("data: \"a # b\\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(Input{File: write(t, text)})
		if err != nil {
			return
		}
		again, err := Load(Input{File: write(t, printed(t, c))})
		if err != nil {
			t.Fatalf("%v in\n%s", err, printed(t, c))
		}
		for i := range c.settings {
			s, other := &c.settings[i], &again.settings[i]
			if s.show == nil && !reflect.DeepEqual(s.get(), other.get()) {
				t.Errorf("%s: %q became %q", s.Key, s.get(), other.get())
			}
		}
	})
}
