// Package dialecttest is the suite that every dialect passes: golden wire
// transcripts, properties of every frame, hostile input and a fuzz target. It
// also holds the samples, one fully filled event of every type, that other
// packages' tests may use.
//
// A dialect's own test is a few lines:
//
//	func TestDialect(t *testing.T)  { dialecttest.Run(t, topics.New(), dialecttest.Options{}) }
//	func FuzzDecode(f *testing.F)   { dialecttest.FuzzDecode(f, topics.New(), dialecttest.Options{}) }
//	func BenchmarkEncode(b *testing.B) { dialecttest.Bench(b, topics.New()) }
//
// The transcripts are testdata/*.txtar, one for each group of frames:
//
//	Comments: everything before the first section.
//	-- what the section shows --
//	# a comment
//	> {"op":"ping"}                  a frame that a client sends
//	= Ping{}                         the command it is read as
//	> {"op":"subscribe"}
//	= Subscribe{}                    what could be read of it, where anything could
//	! invalid_format: a sentence     the error
//	@ message.created                a sample event in the public view
//	< {"op":"event", …}              the frame that tells it
//	@ message.created/internal internal    … in the internal view
//	@ run.started
//	.                                the surface is silent about it
//	@ reply pong                     a sample reply
//
// `go test -update` rewrites what follows each `>` and `@`; a difference is a
// change of the protocol and is reviewed as one. Files are rewritten as they are
// but for these lines, so a new file needs only `>` and `@`.
package dialecttest

import (
	"testing"

	"github.com/parley-chat/parley"
)

// Options say what differs between the dialects under test.
type Options struct {
	// Dir holds the transcripts; empty is "testdata".
	Dir string
	// Hostile are further inbound frames that must be refused or ignored, besides
	// those of the suite.
	Hostile []string
}

// Namer is what a dialect has besides parley.Dialect so that the matrix and
// docs/reference/dialects.md can be made: its spelling table. Every type of
// parley.EventSpecs is a key; an empty name means that the surface does not
// speak of it. The key "*" stands for custom types.
type Namer interface {
	Names() map[parley.EventType]string
}

// AnyCustom is the key of Namer.Names that stands for custom types.
const AnyCustom parley.EventType = "*"

// Run checks all that a dialect promises.
func Run(t *testing.T, d parley.Dialect, o Options) {
	t.Run("transcripts", func(t *testing.T) { runTranscripts(t, d, o) })
	t.Run("names", func(t *testing.T) { checkNames(t, d) })
	t.Run("frames", func(t *testing.T) { checkFrames(t, d) })
	t.Run("replies", func(t *testing.T) { checkReplies(t, d) })
	t.Run("nothing is allocated", func(t *testing.T) { checkAllocations(t, d) })
	t.Run("one value serves all Conns", func(t *testing.T) { checkConcurrent(t, d) })
	t.Run("hostile input", func(t *testing.T) { checkHostile(t, d, o) })
}

func (o Options) dir() string {
	if o.Dir == "" {
		return "testdata"
	}
	return o.Dir
}
