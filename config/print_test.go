package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; run go test ./config -update and look at the difference", path)
	}
}

func printed(t testing.TB, c *Config) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPrintTellsSourcesAndNoPasswords(t *testing.T) {
	c, err := Load(Input{
		Env: []string{"PARLEY_STORE_URL=postgres://ana:pa55@db/parley?password=pa55&sslmode=require&sslpassword=pa55"},
		Flags: map[string][]string{
			"limits.frame_bytes": {"32KiB"}, "nats_url": {"nats://bus:pa55@a:4222,nats://b:4222"}, "data": {"my data"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := printed(t, c)
	for _, want := range []string{
		"listen: 127.0.0.1:8080                           # default\n",
		"\n  frame_bytes: 32KiB                             # --frame-bytes\n",
		"# PARLEY_STORE_URL\n", "postgres://ana:xxxxx@db", "nats://bus:xxxxx@a:4222,nats://b:4222", `data: "my data"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "pa55") {
		t.Errorf("a password is printed:\n%s", out)
	}
}

func TestReferenceIsUpToDate(t *testing.T) {
	var yaml, page bytes.Buffer
	if err := PrintReference(&yaml); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "defaults.yaml"), yaml.Bytes())
	if err := WriteMarkdown(&page); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "docs", "reference", "configuration.md"), page.Bytes())
}

func TestTheReferenceIsAConfigurationFile(t *testing.T) {
	var out bytes.Buffer
	if err := PrintReference(&out); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Input{File: write(t, out.String())})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	for i := range c.settings {
		if got, want := c.settings[i].Text(), want.settings[i].Text(); got != want {
			t.Errorf("%s became %s, want %s", c.settings[i].Key, got, want)
		}
	}
}
