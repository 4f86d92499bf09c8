// Package sniff tells the dialects that share the path /ws apart by a client's
// first frame, where neither the kind of token nor anything else at the upgrade
// has done so (contracts.md section 6).
package sniff

import (
	"errors"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// Tongue is what a first frame shows its client to speak.
type Tongue string

// The tongues heard on /ws.
const (
	Undecided Tongue = ""
	Chat      Tongue = "chat"  // an action
	Bot       Tongue = "bot"   // a type: dialect 1a
	Pages     Tongue = "pages" // a message_type: dialect 1b
)

// First looks at a frame and says who speaks like that. `action` decides before
// `type`, which clients of the chat surface may send beside it, and `type` before
// `message_type`.
//
// Undecided without an error is {type:"ping"}, which tells nobody apart: answer
// it, and look at the next frame. Undecided with an error, a *parley.Error with
// CodeInvalidFormat, is a frame of no tongue.
func First(frame []byte) (Tongue, error) {
	o, err := jsonr.Parse(frame)
	if err != nil {
		return Undecided, unknown(err)
	}
	if _, ok, err := o.Text("action"); ok || err != nil {
		return decided(Chat, err)
	}
	if kind, ok, err := o.Text("type"); ok || err != nil {
		if kind == "ping" {
			return Undecided, nil
		}
		return decided(Bot, err)
	}
	if o.IsNumber("message_type") {
		return Pages, nil
	}
	return Undecided, unknown(errors.New("it has none of action, type and message_type"))
}

func decided(t Tongue, err error) (Tongue, error) {
	if err != nil {
		return Undecided, unknown(err)
	}
	return t, nil
}

func unknown(err error) error {
	return parley.Errorf(parley.CodeInvalidFormat, "the frame cannot be read: %v", err)
}
