package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley"
)

const (
	leeway   = 5 * time.Second // between our clock and an issuer's
	maxToken = 8 << 10         // bytes; a longer credential is nobody's
	// minSecret is the least length of a shared secret in bytes: that of the hash.
	minSecret = 32
)

// Issuer is somebody else who may sign access tokens, with a shared secret
// (HS256). Its tokens are told by their `iss`, and nothing in a token can choose
// another key or algorithm than the one configured for that issuer.
type Issuer struct {
	Name   string // the `iss` of its tokens
	Secret []byte // 32 bytes at least
	// Audience the tokens must name; empty: "parley".
	Audience string
	// Org binds the issuer to one org, for tokens that carry no `org` too. Empty:
	// each token names its own.
	Org parley.OrgID
}

func (i *Issuer) validate() error {
	switch {
	case i.Name == "":
		return errors.New("an issuer has no name")
	case i.Name == OwnIssuer:
		return fmt.Errorf("issuer %q: the name is our own", i.Name)
	case len(i.Secret) < minSecret:
		return fmt.Errorf("issuer %q: the shared secret has %d bytes, it needs %d", i.Name, len(i.Secret), minSecret)
	case bytes.Contains(i.Secret, []byte("-----BEGIN ")):
		// A public key used as a shared secret is known to everyone.
		return fmt.Errorf("issuer %q: the shared secret is a PEM key", i.Name)
	case i.Audience == MessagingAudience:
		return fmt.Errorf("issuer %q: the audience %s is for messaging tokens, which only we mint", i.Name, i.Audience)
	}
	return nil
}

// signer is one who may sign tokens: the key that verifies them, the one
// algorithm it is used with, and the class each audience stands for.
type signer struct {
	algorithm string
	key       any
	keyID     string // the `kid` its tokens may name; empty: any
	classes   map[string]parley.TokenClass
	org       parley.OrgID
}

// verifier checks signatures and times. It is immutable.
type verifier struct {
	signers map[string]signer // by `iss`
	parser  *jwt.Parser
}

func newVerifier(keys *Keys, issuers []Issuer) (*verifier, error) {
	v := &verifier{signers: map[string]signer{}}
	algorithms := []string{jwt.SigningMethodHS256.Alg()}
	if keys != nil {
		algorithms = append(algorithms, jwt.SigningMethodEdDSA.Alg())
		v.signers[OwnIssuer] = signer{
			algorithm: jwt.SigningMethodEdDSA.Alg(), key: keys.public, keyID: keys.id,
			classes: map[string]parley.TokenClass{
				AccessAudience: parley.ClassAccess, MessagingAudience: parley.ClassMessaging,
			},
		}
	}
	for _, i := range issuers {
		if err := i.validate(); err != nil {
			return nil, err
		}
		if _, ok := v.signers[i.Name]; ok {
			return nil, fmt.Errorf("issuer %q is configured twice", i.Name)
		}
		audience := i.Audience
		if audience == "" {
			audience = AccessAudience
		}
		v.signers[i.Name] = signer{
			algorithm: jwt.SigningMethodHS256.Alg(), key: i.Secret, org: i.Org,
			classes: map[string]parley.TokenClass{audience: parley.ClassAccess},
		}
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods(algorithms), jwt.WithLeeway(leeway),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	)
	return v, nil
}

// verify checks a JWT and reads who it speaks for. The error is for the log.
func (v *verifier) verify(token string) (*parley.Principal, error) {
	claims := jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(token, claims, v.keyOf); err != nil {
		return nil, err
	}
	s, err := v.signerOf(claims)
	if err != nil {
		return nil, err
	}
	class, err := s.classOf(claims)
	if err != nil {
		return nil, err
	}
	return principal(claims, class, s.org)
}

// keyOf picks the key by the issuer the token claims, and refuses any algorithm
// but the one that key is for.
func (v *verifier) keyOf(t *jwt.Token) (any, error) {
	s, err := v.signerOf(t.Claims.(jwt.MapClaims))
	if err != nil {
		return nil, err
	}
	if t.Method.Alg() != s.algorithm {
		return nil, fmt.Errorf("the issuer signs with %s, not with %s", s.algorithm, t.Method.Alg())
	}
	if kid, ok := t.Header["kid"]; ok && s.keyID != "" && kid != s.keyID {
		return nil, errors.New("the token names a key that is not ours")
	}
	if _, ok := t.Header["crit"]; ok {
		return nil, errors.New("the token has a critical header")
	}
	return s.key, nil
}

func (v *verifier) signerOf(claims jwt.MapClaims) (signer, error) {
	name, err := claims.GetIssuer()
	if err != nil {
		return signer{}, err
	}
	s, ok := v.signers[name]
	if !ok {
		return signer{}, fmt.Errorf("there is no issuer %.64q", name)
	}
	return s, nil
}

// classOf is what the token's audience stands for. One that names two classes at
// once is nobody's: which door it opens must not depend on who looks.
func (s *signer) classOf(claims jwt.MapClaims) (parley.TokenClass, error) {
	audience, err := claims.GetAudience()
	if err != nil {
		return "", err
	}
	var classes []parley.TokenClass
	for _, a := range audience {
		if c, ok := s.classes[a]; ok && !slices.Contains(classes, c) {
			classes = append(classes, c)
		}
	}
	if len(classes) != 1 {
		return "", errors.New("the token is meant for another audience")
	}
	return classes[0], nil
}
