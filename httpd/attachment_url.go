package httpd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"time"

	"github.com/parley-chat/parley"
)

// How long signed URLs may be begun with. Who holds one needs no credential.
const (
	uploadURLTime   = 15 * time.Minute
	downloadURLTime = 5 * time.Minute
)

// grantTo is what a signed URL is good for.
type grantTo byte

const (
	toUpload grantTo = 'u'
	toFetch  grantTo = 'f'
	// toFetchAll is for who sees internal messages of whatever it is in.
	toFetchAll grantTo = 'a'
)

// grant is what a signed URL says: whose name it is used in, for what and until
// when. Which attachment it is for, its path says.
type grant struct {
	to      grantTo
	expires time.Time // whole seconds
	org     parley.OrgID
	who     parley.PrincipalID
}

// maxSignature bounds what is looked at, in characters.
const maxSignature = 2048

// sign is the grant as a text for a URL: its fields and their HMAC-SHA256, base64.
func (g *grant) sign(key []byte, id parley.AttachmentID) string {
	text := append([]byte(nil), byte(g.to))
	text = binary.BigEndian.AppendUint64(text, uint64(g.expires.Unix()))
	text = binary.BigEndian.AppendUint16(text, uint16(len(g.org)))
	text = append(append(text, g.org...), g.who...)
	return base64.RawURLEncoding.EncodeToString(append(text, grantMAC(key, id, text)...))
}

// grantMAC covers the attachment besides: none is good for another's.
func grantMAC(key []byte, id parley.AttachmentID, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("parley attachment url\x00"))
	m.Write(id[:])
	m.Write(text)
	return m.Sum(nil)
}

// readGrant reads what sign wrote; false where somebody else did. Whether it has
// expired is for the caller to see.
func readGrant(key []byte, id parley.AttachmentID, signature string) (g grant, ok bool) {
	if len(signature) > maxSignature {
		return g, false
	}
	signed, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	const head = 1 + 8 + 2
	if err != nil || len(signed) < head+sha256.Size {
		return g, false
	}
	text, mac := signed[:len(signed)-sha256.Size], signed[len(signed)-sha256.Size:]
	if !hmac.Equal(mac, grantMAC(key, id, text)) {
		return g, false
	}
	org, rest := int(binary.BigEndian.Uint16(text[9:])), text[head:]
	if org > len(rest) {
		return g, false
	}
	return grant{
		grantTo(text[0]), time.Unix(int64(binary.BigEndian.Uint64(text[1:])), 0),
		parley.OrgID(rest[:org]), parley.PrincipalID(rest[org:]),
	}, true
}

// signedURL is the address of an attachment's bytes for who holds it, and until
// when it is good.
func (s *Server) signedURL(c *call, to grantTo, id parley.AttachmentID) (string, time.Time) {
	life := downloadURLTime
	if to == toUpload {
		life = uploadURLTime
	}
	g := grant{to, s.Now().Add(life).Truncate(time.Second), c.who.Org, c.who.ID}
	query := url.Values{"signature": {g.sign(s.Attachments.Key, id)}}
	return s.policy.URL(c.r, "/v1/chat/attachments/"+id.String()+"/content") + "?" + query.Encode(), g.expires
}

var (
	errNoAttachment = parley.Errorf(parley.CodeNotFound, "there is no such attachment")
	errURLExpired   = parley.Errorf(parley.CodeForbidden, "this URL has expired; ask for another one")
)

// granted reads the attachment in the path and what its URL is signed for, and has
// the caller be in whose name it is signed: toFetch where it is not signed and the
// caller has a credential. A URL that we did not sign leads nowhere.
func (s *Server) granted(c *call) (id parley.AttachmentID, to grantTo, err error) {
	signature := c.r.URL.Query().Get("signature")
	to = toFetch
	if signature == "" {
		if c.who, err = s.authenticate(c.ctx, c.r); err != nil {
			return id, to, err
		}
	}
	if id, err = s.attachmentID(c); err != nil {
		return id, to, err
	}
	if signature != "" {
		g, ok := readGrant(s.Attachments.Key, id, signature)
		switch {
		case !ok:
			return id, to, errNoAttachment
		case !s.Now().Before(g.expires):
			return id, to, errURLExpired
		}
		to, c.who = g.to, g.principal()
	}
	if ex, ok := c.w.(*exchange); ok {
		ex.who = c.who
	}
	return id, to, nil
}

// principal is in whose name the URL is used; it can do nothing else.
func (g *grant) principal() *parley.Principal {
	scopes := parley.NewScopes(parley.ScopeConversationsRead)
	if g.to == toFetchAll {
		scopes = parley.NewScopes(parley.ScopeConversationsRead, parley.ScopeConversationsReadAll)
	}
	return &parley.Principal{Org: g.org, ID: g.who, Scopes: scopes}
}
