package bot_test

import (
	"testing"

	"github.com/parley-chat/parley/dialect/bot"
	"github.com/parley-chat/parley/dialect/dialecttest"
)

func TestDialect(t *testing.T)     { dialecttest.Run(t, bot.New(), dialecttest.Options{}) }
func FuzzDecode(f *testing.F)      { dialecttest.FuzzDecode(f, bot.New(), dialecttest.Options{}) }
func BenchmarkEncode(b *testing.B) { dialecttest.Bench(b, bot.New()) }
