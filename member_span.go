package parley

import (
	"cmp"
	"slices"
)

// Span is a run of messages that one principal may see, From and To inclusive.
type Span struct {
	From, To uint64
	// Internal says that internal messages are among those it may see.
	Internal bool
}

// SpanQuery asks for the messages of a conversation that a principal may see.
type SpanQuery struct {
	Kind ConversationKind
	// After is a seq up to which nothing is wanted, Last the conversation's last one.
	After, Last uint64
	// Internal wants internal messages too, whatever the principal's role.
	Internal bool
}

// Spans are the messages that a principal may see in a conversation, by all its stays
// there: ascending, without overlap. Every stay that reaches a message lets it be seen,
// and an internal one is seen where any of these hears those.
func Spans(stays []Membership, q SpanQuery) []Span {
	// An edge is where a stay begins to reach messages, or no longer does.
	type edge struct {
		seq          uint64
		in, internal int // of the stays that reach what follows: how many more
	}
	var few [8]edge
	edges := few[:0]
	for i := range stays {
		s := &stays[i]
		from, to := max(s.FromSeq, q.After+1), q.Last
		if !s.Open() {
			to = min(s.ToSeq, q.Last)
		}
		if from > to {
			continue
		}
		internal := 0
		if q.Internal || s.HearsInternal(q.Kind) {
			internal = 1
		}
		edges = append(edges, edge{from, 1, internal}, edge{to + 1, -1, -internal})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.seq, b.seq) })
	var all []Span
	var at edge
	for _, e := range edges {
		if at.in > 0 && at.seq < e.seq {
			all = appendSpan(all, Span{at.seq, e.seq - 1, at.internal > 0})
		}
		at = edge{e.seq, at.in + e.in, at.internal + e.internal}
	}
	return all
}

// appendSpan appends a span, or makes the last one longer where it goes on like that.
func appendSpan(all []Span, s Span) []Span {
	if n := len(all); n > 0 && all[n-1].To+1 == s.From && all[n-1].Internal == s.Internal {
		all[n-1].To = s.To
		return all
	}
	return append(all, s)
}

// SpanOf finds the span that a seq lies in; false where it lies in none. The spans are
// as Spans returns them.
func SpanOf(spans []Span, seq uint64) (Span, bool) {
	i, _ := slices.BinarySearchFunc(spans, seq, func(s Span, seq uint64) int { return cmp.Compare(s.To, seq) })
	if i == len(spans) || spans[i].From > seq {
		return Span{}, false
	}
	return spans[i], true
}
