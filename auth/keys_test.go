package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestOpenKeysMakesOneKeyAndKeepsIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	first, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID() != again.ID() || len(first.ID()) != 43 {
		t.Errorf("ids %q and %q, want one thumbprint of 43 characters", first.ID(), again.ID())
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %04o, want 0600", got)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files in the data directory, want the key alone", len(left))
	}
}

func TestOpenKeysAtOnceAgree(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			k, err := OpenKeys(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two keys were made: %v", ids)
		}
	}
}

func TestLoadKeysMakesNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadKeys(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("LoadKeys left %v", left)
	}
}

func TestOpenKeysRefusesAKeyFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		want string
	}{
		"that the group may read":      {"", 0o640, "chmod 600"},
		"that everyone may read":       {"", 0o604, "chmod 600"},
		"that is not PEM":              {"secret", 0o600, "is not a PEM private key"},
		"that holds another PEM":       {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0o600, "is not a PEM private key"},
		"that is damaged":              {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600, "is not PKCS #8"},
		"that is empty":                {" ", 0o600, "is not a PEM private key"},
		"that holds an elliptic curve": {otherKey(t), 0o600, "is not an Ed25519 key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := OpenKeys(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, KeyFile)
			if c.text != "" {
				if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenKeys(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if err != nil && c.text == "secret" && strings.Contains(err.Error(), "secret") {
				t.Error("the error tells the file's content")
			}
		})
	}
}

// otherKey is a private key that is not Ed25519.
func otherKey(t *testing.T) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// Secrets for other purposes are the same wherever the key is, and others for
// another purpose or key.
func TestDerivedSecrets(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]string{}
	for name, from := range map[string]string{"a": dir, "b": t.TempDir()} {
		for _, purpose := range []string{"one", "other"} {
			k, err := OpenKeys(from)
			if err != nil {
				t.Fatal(err)
			}
			again, err := LoadKeys(from)
			if err != nil {
				t.Fatal(err)
			}
			secret := k.Derive(purpose)
			if len(secret) != 32 || !bytes.Equal(secret, again.Derive(purpose)) {
				t.Errorf("%s %s: %d bytes, or not the same again", name, purpose, len(secret))
			}
			if of := seen[string(secret)]; of != "" {
				t.Errorf("%s %s has the secret of %s", name, purpose, of)
			}
			seen[string(secret)] = name + " " + purpose
		}
	}
}
