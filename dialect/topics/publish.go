package topics

import (
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
	"github.com/parley-chat/parley/internal/jsonw"
)

// decodePublish reads {id?, source, name, resource_id?, payload?, targets?,
// idempotency_key?}. What is said of names, payload and targets is the engine's to
// judge; here they only have to be there and of their type.
func decodePublish(o jsonr.Object) (parley.Command, error) {
	var c parley.PublishEvent
	if o.Has("id") {
		id, err := decodeID(o)
		if err != nil {
			return c, err
		}
		c.Ref = id
	}
	// The command of an error says no more than whose it is.
	failed := parley.PublishEvent{Ref: c.Ref}
	for _, f := range []struct {
		key  string
		into *string
	}{{"source", &c.Channel}, {"name", (*string)(&c.Type)}} {
		text, _, err := o.Text(f.key)
		switch {
		case err != nil:
			return failed, invalid(err)
		case text == "":
			return failed, missing(f.key)
		}
		*f.into = text
	}
	var err error
	if c.IdempotencyKey, _, err = o.Text("idempotency_key"); err != nil {
		return failed, invalid(err)
	}
	if c.Targets, err = decodeTargets(o); err != nil {
		return failed, err
	}
	if c.Data, err = decodePayload(o); err != nil {
		return failed, err
	}
	return c, nil
}

// decodeTargets: without targets an event goes to everybody on the channel. Who
// names targets and has none does not mean that.
func decodeTargets(o jsonr.Object) ([]parley.PrincipalID, error) {
	if _, named := o["targets"]; !named {
		return nil, nil
	}
	texts, err := o.Texts("targets")
	if err != nil {
		return nil, invalid(err)
	}
	if len(texts) == 0 {
		return nil, &parley.Error{
			Code: parley.CodeInvalidArgument, Field: "targets",
			Message: "targets must name at least one user, or be left out",
		}
	}
	targets := make([]parley.PrincipalID, len(texts))
	for i, text := range texts {
		targets[i] = parley.PrincipalID(text)
	}
	return targets, nil
}

// decodePayload returns the payload, nil where there is none, with the resource_id
// as its id: what an event is about is told by its data alone (contracts.md section
// 10).
func decodePayload(o jsonr.Object) (parley.RawJSON, error) {
	var data parley.RawJSON
	if raw, ok := o["payload"]; ok { // null is not "none": it would be published
		data = parley.RawJSON(raw)
		if data[0] != '{' {
			return nil, wrongType("payload", "an object")
		}
	}
	if !o.Has("resource_id") {
		return data, nil
	}
	resource, _, err := o.Text("resource_id")
	switch {
	case err != nil:
		return nil, invalid(err)
	case resource == "":
		return nil, missing("resource_id")
	case len(resource) > MaxID:
		return nil, &parley.Error{Code: parley.CodeInvalidArgument, Field: "resource_id", Message: "resource_id is too long"}
	}
	payload := jsonr.Object{}
	if data != nil {
		if payload, err = o.Object("payload"); err != nil {
			return nil, invalid(err)
		}
	}
	if _, has := payload["id"]; !has {
		return withID(resource, data), nil
	}
	if id, ok, err := payload.Text("id"); err != nil || !ok || id != resource {
		return nil, &parley.Error{
			Code: parley.CodeInvalidArgument, Field: "resource_id",
			Message: "resource_id and payload.id are not the same",
		}
	}
	return data, nil
}

// withID returns the object with an id in front; nil is an empty object.
func withID(id string, object parley.RawJSON) parley.RawJSON {
	dst := jsonw.Text([]byte{'{'}, "id", id)
	rest := strings.TrimLeft(string(object[min(1, len(object)):]), " \t\r\n")
	switch rest {
	case "", "}":
		return append(dst, '}')
	}
	return append(append(dst, ','), rest...)
}

// publishFields are what the fields of a parley.PublishEvent are called here.
var publishFields = map[string]string{"channel": "source", "type": "name", "data": "payload"}

// message is the sentence of a failure, in the words of this surface: that of a
// publish begins with the name of the field that it is about.
func message(r parley.Failure) string {
	if _, ok := r.Command.(parley.PublishEvent); !ok {
		return r.Err.Message
	}
	field, _, _ := strings.Cut(r.Err.Field, ".")
	name, known := publishFields[field]
	rest, begins := strings.CutPrefix(r.Err.Message, field)
	if !known || !begins {
		return r.Err.Message
	}
	return name + rest
}
