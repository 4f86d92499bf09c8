package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// countParts shows what the parts count. Labels are fixed: no name of an org, a
// user or a conversation becomes one.
func (a *App) countParts() {
	counter := func(name, help string, value func() uint64) {
		a.metrics.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "parley", Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	gauge := func(name, help string, value func() float64) {
		a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "parley", Name: name, Help: help}, value))
	}
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge("connections", "Sockets that live now.", func() float64 { return float64(a.conns.Len()) })
	gauge("presence_online", "Principals that are online, over all nodes.", func() float64 { return float64(a.presence.Online()) })
	gauge("ring_bytes", "About the memory that the recent events of all orgs take.", func() float64 { return float64(a.hub.RingBytes()) })
	gauge("stalled_orgs", "Orgs whose durable telling waits for the store.", func() float64 { return float64(a.hub.StalledOrgs.Load()) })
	counter("connections_opened_total", "Sockets that were upgraded.", a.conns.Opened.Load)
	counter("connections_refused_total", "Upgrades that were refused.", a.conns.Refused.Load)
	counter("connections_slow_total", "Sockets cut off because they did not read.", a.conns.Slow.Load)
	counter("socket_writes_total", "Writes to sockets.", a.conns.Writes.Load)
	counter("socket_writes_stalled_total", "Writes that a socket did not take whole at once.", a.conns.Stalled.Load)
	counter("events_applied_total", "Durable events applied by this node's feeds.", a.hub.Applied.Load)
	counter("events_live_total", "Events told that are not stored.", a.hub.Ephemerals.Load)
	counter("presence_events_total", "Events of this node that told of somebody coming or going.", a.presence.Told.Load)
	counter("presence_writes_total", "Entries this node wrote into the roster of who is connected.", a.presence.Writes.Load)
	counter("frames_encoded_total", "Frames encoded, once per dialect and view.", a.hub.Encodings.Load)
	counter("frames_delivered_total", "Frames handed to sockets' writers.", a.hub.Deliveries.Load)
	counter("log_holes_total", "Ranges of the log that were read from the store.", a.hub.Holes.Load)
	counter("listeners_behind_total", "Times a slow listener went back to its place in the log.", a.hub.FellBehind.Load)
	counter("listeners_reload_total", "Times a listener was told to reload.", a.hub.Reloads.Load)
	counter("listener_pages_total", "Pages read for listeners that came back or fell behind.", a.hub.Pages.Load)
	counter("deltas_merged_total", "Pieces of answers told as a part of a longer one.", a.hub.Merged.Load)
	counter("snapshots_total", "Answers in progress told from their beginning to who came later.", a.hub.Snapshots.Load)
	counter("live_unheard_total", "Events that are not stored and went past a listener that was behind.", a.hub.Unheard.Load)
	counter("bus_dropped_total", "Messages the bus lost for this node; they are read from the store.", a.bus.Dropped)
}
