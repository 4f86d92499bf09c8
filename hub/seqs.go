package hub

import (
	"cmp"
	"slices"

	parley "github.com/parley-chat/parley"
)

// seqs is a set of the seqs of messages, as ranges from..to, ascending and apart:
// what was told as history is mostly one.
type seqs []seqRange

type seqRange struct{ from, to uint64 }

// with returns the set with the seqs of some messages besides.
func (s seqs) with(messages []parley.Message) seqs {
	for i := range messages {
		seq := messages[i].Seq
		if n := len(s); n > 0 && s[n-1].to+1 == seq {
			s[n-1].to = seq
		} else {
			s = append(s, seqRange{seq, seq})
		}
	}
	slices.SortFunc(s, func(a, b seqRange) int { return cmp.Compare(a.from, b.from) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.from <= out[n-1].to+1 {
			out[n-1].to = max(out[n-1].to, r.to)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s seqs) has(seq uint64) bool {
	return slices.ContainsFunc(s, func(r seqRange) bool { return r.from <= seq && seq <= r.to })
}

// passed reports whether a seq is beyond all of the set.
func (s seqs) passed(seq uint64) bool { return len(s) == 0 || seq > s[len(s)-1].to }
