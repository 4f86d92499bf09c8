package parley

import "slices"

// Span is a run of messages that one principal may see, From and To inclusive.
type Span struct {
	From, To uint64
	// Internal says that internal messages are among those it may see.
	Internal bool
}

// Spans are the messages that a principal may see in a conversation whose last one
// is last, by all its stays there: ascending, without overlap. Where two stays
// cover a message the earlier one decides. The stays are those of one principal, in
// the order of From.
func Spans(stays []Membership, kind ConversationKind, last uint64) []Span {
	var all []Span
	for i := range stays {
		s := &stays[i]
		to := last
		if !s.Open() {
			to = min(s.ToSeq, last)
		}
		all = appendSpan(all, Span{max(s.FromSeq, 1), to, s.HearsInternal(kind)})
	}
	return all
}

// appendSpan adds what of s the spans do not cover yet.
func appendSpan(all []Span, s Span) []Span {
	var gaps []Span
	from := s.From
	for _, covered := range all {
		if covered.From > from {
			gaps = append(gaps, Span{from, min(covered.From-1, s.To), s.Internal})
		}
		from = max(from, covered.To+1)
	}
	gaps = append(gaps, Span{from, s.To, s.Internal})
	for _, g := range gaps {
		if g.From <= g.To {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b Span) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	return all
}
