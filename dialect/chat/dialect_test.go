package chat_test

import (
	"testing"

	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/dialect/dialecttest"
)

func TestDialect(t *testing.T)     { dialecttest.Run(t, chat.New(), dialecttest.Options{}) }
func FuzzDecode(f *testing.F)      { dialecttest.FuzzDecode(f, chat.New(), dialecttest.Options{}) }
func BenchmarkEncode(b *testing.B) { dialecttest.Bench(b, chat.New()) }
