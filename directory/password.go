package directory

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/parley-chat/parley"
)

// Cost is what one hash of a password costs (argon2id). A hash says its own, so
// that the cost may change and old hashes stay good.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// DefaultCost is about 20 ms of a core and 19 MiB.
var DefaultCost = Cost{MemoryKiB: 19 << 10, Passes: 2, Threads: 1}

const (
	saltBytes = 16
	hashBytes = 32
	// maxMemoryKiB bounds what a stored hash may ask for.
	maxMemoryKiB = 256 << 10
	// waiting is how many may wait for their turn to hash.
	waiting = 64
)

// hasher hashes passwords, a few at a time: each takes memory that a crowd at the
// door must not multiply.
type hasher struct {
	cost   Cost
	random io.Reader
	queue  chan struct{} // who hashes or waits
	turns  chan struct{} // who hashes
}

func newHasher(cost Cost, atOnce int, random io.Reader) *hasher {
	return &hasher{
		cost: cost, random: random,
		queue: make(chan struct{}, atOnce+waiting), turns: make(chan struct{}, atOnce),
	}
}

// do runs fn when it is its turn and may, nil for yes, allows it then; CodeRateLimited
// where too many wait already.
func (h *hasher) do(ctx context.Context, may func() error, fn func()) error {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return &parley.Error{
			Code: parley.CodeRateLimited, Message: "too many are signing in at the moment; try again", RetryAfter: time.Second,
		}
	}
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if may != nil {
		if err := may(); err != nil {
			return err
		}
	}
	fn()
	return nil
}

// hash makes the PHC string of a password, with a salt of its own.
func (h *hasher) hash(ctx context.Context, password string) (text string, err error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	p := phc{cost: h.cost, salt: salt}
	err = h.do(ctx, nil, func() { p.sum = p.of(password, hashBytes) })
	return p.String(), err
}

// verify reports whether a password is the one that was hashed; an error of may is
// returned as it is.
func (h *hasher) verify(ctx context.Context, text, password string, may func() error) (ok bool, err error) {
	p, err := parsePHC(text)
	if err != nil {
		return false, err
	}
	err = h.do(ctx, may, func() {
		ok = subtle.ConstantTimeCompare(p.of(password, uint32(len(p.sum))), p.sum) == 1
	})
	return ok, err
}

// nobodys is a hash that no password has and that costs as much to verify as any,
// so that the time of an answer does not tell who is in the directory.
func (h *hasher) nobodys() string {
	return phc{cost: h.cost, salt: make([]byte, saltBytes), sum: make([]byte, hashBytes)}.String()
}

// phc is a hash with its parameters.
type phc struct {
	cost      Cost
	salt, sum []byte
}

func (p phc) of(password string, size uint32) []byte {
	return argon2.IDKey([]byte(password), p.salt, p.cost.Passes, p.cost.MemoryKiB, p.cost.Threads, size)
}

// String is the PHC string format: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.cost.MemoryKiB, p.cost.Passes, p.cost.Threads,
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.sum))
}

// parsePHC reads it; the error does not tell the text.
func parsePHC(text string) (p phc, err error) {
	bad := errors.New("the stored hash of a password is not one of argon2id")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.cost.MemoryKiB, &p.cost.Passes, &p.cost.Threads); err != nil {
		return p, bad
	}
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return p, bad
	}
	if p.sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return p, bad
	}
	if !p.cost.sane() || len(p.salt) < 8 || len(p.sum) < 16 || len(p.sum) > 64 {
		return p, bad
	}
	return p, nil
}

func (c Cost) sane() bool {
	return c.Passes >= 1 && c.Passes <= 16 && c.Threads >= 1 && c.MemoryKiB >= 8*uint32(c.Threads) && c.MemoryKiB <= maxMemoryKiB
}
