package auth

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/parley-chat/parley/internal/disk"
)

// KeyFile is the name of the signing key's file in the data directory: a PEM
// block "PRIVATE KEY" holding PKCS #8, mode 0600.
const KeyFile = "signing-key.pem"

// Keys is the server's own Ed25519 signing key. It is immutable and may be used
// concurrently.
type Keys struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	id      string
}

// OpenKeys reads the signing key in dir, or makes dir and the key where there is
// none. Processes that start at once agree on one key. A key file that others
// may read is refused.
func OpenKeys(dir string) (*Keys, error) {
	k, err := LoadKeys(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if err := createKey(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make signing key in %s: %w", dir, err)
	}
	return LoadKeys(dir) // ours, or that of the process that was faster
}

// LoadKeys reads the signing key in dir and never makes one: fs.ErrNotExist where
// there is none.
func LoadKeys(dir string) (*Keys, error) {
	path := filepath.Join(dir, KeyFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat signing key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("signing key %s has mode %04o: others may read it; run chmod 600 on it, and replace it if it may have leaked", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096)) // a key takes 119 bytes
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", path, err)
	}
	return parseKey(path, text)
}

func parseKey(path string, text []byte) (*Keys, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("signing key %s is not a PEM private key", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %s is not PKCS #8", path)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is not an Ed25519 key", path)
	}
	public := private.Public().(ed25519.PublicKey)
	return &Keys{private, public, fingerprint(public)}, nil
}

// createKey writes a new key under a name of its own and links it to the final
// one: the link fails with fs.ErrExist where another process was faster, and
// nobody ever sees half a file.
func createKey(dir string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".signing-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), filepath.Join(dir, KeyFile)); err != nil {
		return err
	}
	return disk.SyncDir(dir) // tokens signed by a key that is gone would be worth nothing
}

// ID is the key's fingerprint, the JWK thumbprint of RFC 7638, and the `kid` of
// the tokens it signs.
func (k *Keys) ID() string { return k.id }

// Derive makes a secret of 32 bytes for one purpose. It is the same wherever the
// signing key is, and tells nothing of that key or of other purposes' secrets.
func (k *Keys) Derive(purpose string) []byte {
	secret, err := hkdf.Key(sha256.New, k.private.Seed(), nil, "parley "+purpose, 32)
	if err != nil { // a hash that gives no 32 bytes
		panic(err)
	}
	return secret
}

// Public is the public half, for those who want to verify tokens themselves.
func (k *Keys) Public() ed25519.PublicKey { return k.public }

func fingerprint(public ed25519.PublicKey) string {
	jwk := `{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`
	sum := sha256.Sum256([]byte(jwk))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
