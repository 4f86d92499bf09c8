package natsbus_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/bustest"
	"github.com/parley-chat/parley/bus/natsbus"
)

// eachWay runs a benchmark on the embedded server and on one by loopback.
func eachWay(b *testing.B, bench func(b *testing.B, bus *natsbus.Bus)) {
	b.Run("embedded", func(b *testing.B) { bench(b, open(b, natsbus.Config{Dir: b.TempDir()})) })
	b.Run("loopback", func(b *testing.B) {
		srv := startServer(b, b.TempDir(), server.RANDOM_PORT)
		bench(b, open(b, natsbus.Config{URL: srv.ClientURL()}))
	})
}

// BenchmarkDeliver is the time from Publish to the callback, one message of 400
// bytes at a time.
func BenchmarkDeliver(b *testing.B) {
	eachWay(b, func(b *testing.B, bus *natsbus.Bus) { deliver(b, bus, 0) })
}

// BenchmarkDeliverIdle is the same with a millisecond of rest between messages,
// as on a quiet node whose goroutines are parked.
func BenchmarkDeliverIdle(b *testing.B) {
	eachWay(b, func(b *testing.B, bus *natsbus.Bus) { deliver(b, bus, time.Millisecond) })
}

func deliver(b *testing.B, bus *natsbus.Bus, rest time.Duration) {
	heard := make(chan time.Time, 1)
	stop, err := bus.Subscribe("bench", func(string, string, []byte) { heard <- time.Now() })
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	data := make([]byte, 400)
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		if rest > 0 {
			<-time.After(rest)
		}
		began := time.Now()
		if err := bus.Publish("bench", data); err != nil {
			b.Fatal(err)
		}
		took = append(took, (<-heard).Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
}

// BenchmarkBurst publishes so many messages of 400 bytes at once and waits until
// they are heard: what a node says that has as much to say whenever it has its
// turn. cpu-ns is per message and of the whole process, the server included where
// it is embedded or in this process; on a shared machine it is the number to read.
func BenchmarkBurst(b *testing.B) {
	eachWay(b, func(b *testing.B, bus *natsbus.Bus) {
		for _, size := range []int{1, 4, 16, 256} {
			b.Run(fmt.Sprint(size), func(b *testing.B) { burst(b, bus, size) })
		}
	})
}

func burst(b *testing.B, bus *natsbus.Bus, size int) {
	heard, n := make(chan struct{}, 1), 0
	stop, err := bus.Subscribe("bench", func(string, string, []byte) {
		if n++; n%size == 0 {
			heard <- struct{}{}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	data := make([]byte, 400)
	b.ReportAllocs()
	began := cpuTime(b)
	for b.Loop() {
		for range size {
			if err := bus.Publish("bench", data); err != nil {
				b.Fatal(err)
			}
		}
		<-heard
	}
	b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(b.N*size), "cpu-ns/message")
}

// BenchmarkOther is the time from one node's Publish to another's callback.
func BenchmarkOther(b *testing.B) {
	srv := startServer(b, b.TempDir(), server.RANDOM_PORT)
	one, two := open(b, natsbus.Config{URL: srv.ClientURL()}), open(b, natsbus.Config{URL: srv.ClientURL()})
	heard := make(chan struct{}, 1)
	if _, err := two.Subscribe("bench", func(string, string, []byte) { heard <- struct{}{} }); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 400)
	b.ReportAllocs()
	began := cpuTime(b)
	for b.Loop() {
		if err := one.Publish("bench", data); err != nil {
			b.Fatal(err)
		}
		<-heard
	}
	b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/message")
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend is one Append of a batch of records of 300 bytes.
func BenchmarkAppend(b *testing.B) {
	eachWay(b, func(b *testing.B, bus *natsbus.Bus) {
		l := openRunLog(b, bus)
		for _, size := range []int{1, 16, 256} {
			batch := make([]parley.RunRecord, size)
			for i := range batch {
				batch[i] = parley.RunRecord{Run: bustest.NewRunID(time.Now()), Event: make([]byte, 300)}
			}
			b.Run(fmt.Sprint(size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := l.Append(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "us/record")
			})
		}
	})
}

// BenchmarkRead reads a run of 100 records that lie among 10,000 batches of 16.
func BenchmarkRead(b *testing.B) {
	eachWay(b, func(b *testing.B, bus *natsbus.Bus) {
		l := openRunLog(b, bus)
		run := bustest.NewRunID(time.Now())
		batch := make([]parley.RunRecord, 16)
		for n := range 10_000 {
			for i := range batch {
				batch[i] = parley.RunRecord{Run: parley.RunID{byte(i)}, Event: make([]byte, 300)}
			}
			if n%100 == 0 {
				batch[3].Run = run
			}
			if err := l.Append(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			seen := 0
			if err := l.Read(b.Context(), run, func(parley.RunRecord) error { seen++; return nil }); err != nil || seen != 100 {
				b.Fatal(seen, err)
			}
		}
	})
}

// BenchmarkOpen starts and stops the embedded server with its run log.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		bus, err := natsbus.Open(b.Context(), natsbus.Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bus.RunLog(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := bus.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
