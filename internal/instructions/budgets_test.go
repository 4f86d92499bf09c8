package main

import (
	"os"
	"strings"
	"testing"
)

func TestTheFileIsWrittenAsItIsRead(t *testing.T) {
	text, err := os.ReadFile("../../bench/instructions.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.String(); got != string(text) {
		t.Errorf("read and written it is\n%s", got)
	}
}

func TestALineThatCannotBeCounted(t *testing.T) {
	for _, line := range []string{
		"", "./hub BenchmarkFanOut 10 20", "./hub BenchmarkFanOut 20 20 7", "./hub BenchmarkFanOut 0 20 7", "./hub BenchmarkFanOut ten 20 7",
	} {
		if f, err := parse("# comment\ntoolchain go1.26 linux/amd64\n" + line); err == nil {
			t.Errorf("%q is read as %+v", line, f.budgets)
		}
	}
}

func TestMoreThanChanceIsOver(t *testing.T) {
	b := budget{most: 1000}
	for got, want := range map[uint64]bool{1: false, 1000: false, 1149: false, 1151: true, 5000: true} {
		if text, over := b.verdict(got); over != want {
			t.Errorf("%d of 1000: %q, over %v", got, text, over)
		}
	}
	if text, _ := b.verdict(500); !strings.Contains(text, "lower") {
		t.Errorf("half of it: %q", text)
	}
	if _, over := new(budget).verdict(1); !over {
		t.Error("a benchmark without a budget passes")
	}
}

func TestCollected(t *testing.T) {
	const bench, count = "BenchmarkX/a \t      20\t    123 ns/op\n", "==17840== \n==17840== Collected : 5266485\n"
	if n, err := collected([]byte(bench + "PASS\n" + count)); n != 5266485 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, out := range []string{"", bench, count} {
		if n, err := collected([]byte(out)); err == nil {
			t.Errorf("%q has %d", out, n)
		}
	}
}

func TestOneBenchmarkRuns(t *testing.T) {
	b := budget{benchmark: "BenchmarkFanOut/listeners=1"}
	if got := b.pattern(); got != "^BenchmarkFanOut$/^listeners=1$" {
		t.Error(got)
	}
}
