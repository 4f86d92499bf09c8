package bot_test

import (
	"testing"

	"github.com/parley-chat/parley/dialect/bot"
	"github.com/parley-chat/parley/dialect/dialecttest"
)

var pages = dialecttest.Options{Dir: "testdata/pages"}

func TestDialect(t *testing.T)          { dialecttest.Run(t, bot.New(), dialecttest.Options{}) }
func FuzzDecode(f *testing.F)           { dialecttest.FuzzDecode(f, bot.New(), dialecttest.Options{}) }
func BenchmarkEncode(b *testing.B)      { dialecttest.Bench(b, bot.New()) }
func TestPages(t *testing.T)            { dialecttest.Run(t, bot.NewPages(), pages) }
func FuzzDecodePages(f *testing.F)      { dialecttest.FuzzDecode(f, bot.NewPages(), pages) }
func BenchmarkEncodePages(b *testing.B) { dialecttest.Bench(b, bot.NewPages()) }
