package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	tidyInterval = 2 * time.Second
	// quietAllocs is how much a process allocates in an interval that does next to
	// nothing: pings, looks at the store. A thousand messages a second are 10 MiB, and
	// those that come while it tidies wait. garbageWorth is how much garbage is worth
	// looking for, and freeWorth how much memory without anything in it is worth giving
	// back, in bytes; some is always left where it cannot be given back.
	quietAllocs  = 4 << 20
	garbageWorth = 4 << 20
	freeWorth    = 8 << 20
)

// tidy gives memory back when the process has become quiet. The collector runs
// when the heap has grown, and who does nothing does not grow: what ten thousand
// connects left behind would stay until some minutes later. Where it was collected
// just then, there is no garbage, and its room is kept for the heap to grow again.
//
// A store that keeps memory of its own for what it has read gives that back too.
func (a *App) tidy(ctx context.Context) {
	store, _ := a.store.(interface{ Tidy(context.Context) error })
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	var m memory
	before := m.read()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := m.read()
		if now.due(&before) {
			if store != nil {
				if err := store.Tidy(ctx); err != nil && ctx.Err() == nil {
					a.log.Warn("tidy the store", "error", err)
				}
			}
			debug.FreeOSMemory()
			now = m.read()
		}
		before = now
	}
}

// usage is what the collector says of the heap, in bytes.
type usage struct{ cycles, allocs, objects, live, free uint64 }

// due reports whether nothing was collected and next to nothing allocated since
// before, and there is garbage or free memory to give back.
func (u *usage) due(before *usage) bool {
	return u.cycles == before.cycles && u.allocs-before.allocs < quietAllocs &&
		(u.objects > u.live+max(u.live/8, garbageWorth) || u.free > max(u.live/8, freeWorth))
}

// memory reads usage.
type memory struct{ samples [5]metrics.Sample }

func (m *memory) read() usage {
	for i, name := range [...]string{
		"/gc/cycles/total:gc-cycles", "/gc/heap/allocs:bytes", "/memory/classes/heap/objects:bytes", "/gc/heap/live:bytes",
		"/memory/classes/heap/free:bytes",
	} {
		m.samples[i].Name = name
	}
	metrics.Read(m.samples[:])
	value := func(i int) uint64 { return m.samples[i].Value.Uint64() }
	return usage{value(0), value(1), value(2), value(3), value(4)}
}
