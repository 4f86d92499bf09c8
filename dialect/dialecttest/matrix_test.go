package dialecttest_test

import (
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/bot"
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/dialect/dialecttest"
	"github.com/parley-chat/parley/dialect/events"
	"github.com/parley-chat/parley/dialect/topics"
)

// dialects are the surfaces of the product, in the order of contracts.md.
func dialects() []parley.Dialect {
	return []parley.Dialect{events.New(), bot.New(), bot.NewPages(), topics.New(), chat.New()}
}

// A new type of event is spelled by every surface, or said not to be spoken
// there, before it can be told; and the reference page says the same.
func TestEveryDialectKnowsEveryEvent(t *testing.T) {
	page, missing := dialecttest.Matrix(dialects())
	for _, pair := range missing {
		t.Errorf("%s: names.go has neither a spelling nor a \"not spoken\"", pair)
	}
	dialecttest.Golden(t, "../../docs/reference/dialects.md", page)
}

// The matrix must notice what is missing: a dialect that knows nothing.
func TestTheMatrixNamesWhatIsMissing(t *testing.T) {
	_, missing := dialecttest.Matrix([]parley.Dialect{silent{events.New()}})
	if len(missing) != len(parley.EventSpecs()) || missing[0] != "message.created × silent" {
		t.Errorf("missing %q", missing)
	}
}

type silent struct{ parley.Dialect }

func (silent) Name() string                       { return "silent" }
func (silent) Names() map[parley.EventType]string { return nil }
