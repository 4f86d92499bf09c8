package parley_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parley-chat/parley"
)

func TestSpansAreWhatTheStaysCover(t *testing.T) {
	const last = 20
	stay := func(from, fromSeq, toSeq uint64, role parley.Role) parley.Membership {
		m := parley.Membership{From: from, FromSeq: fromSeq, ToSeq: toSeq, Role: role}
		if toSeq != 0 {
			m.To = from + 1
		}
		return m
	}
	nothing := stay(1, 5, 0, parley.RoleMember)
	nothing.To = 2 // ended before anything was said
	for name, c := range map[string]struct {
		stays []parley.Membership
		want  []parley.Span
	}{
		"nobody":                 {nil, nil},
		"a member":               {[]parley.Membership{stay(1, 3, 0, parley.RoleMember)}, []parley.Span{{From: 3, To: last}}},
		"an owner":               {[]parley.Membership{stay(1, 1, 0, parley.RoleOwner)}, []parley.Span{{From: 1, To: last, Internal: true}}},
		"who left":               {[]parley.Membership{stay(1, 3, 7, parley.RoleMember)}, []parley.Span{{From: 3, To: 7}}},
		"who left at once":       {[]parley.Membership{nothing}, nil},
		"who joined at the end":  {[]parley.Membership{stay(1, last+1, 0, parley.RoleMember)}, nil},
		"who left and came back": {[]parley.Membership{stay(1, 3, 7, parley.RoleMember), stay(3, 12, 0, parley.RoleAgent)}, []parley.Span{{From: 3, To: 7}, {From: 12, To: last, Internal: true}}},
		"who came back to all of it": {
			[]parley.Membership{stay(1, 3, 7, parley.RoleMember), stay(3, 10, 12, parley.RoleOwner), stay(5, 1, 0, parley.RoleAgent)},
			[]parley.Span{{1, last, true}},
		},
		"who came back to all of it with another role": {
			[]parley.Membership{stay(1, 3, 7, parley.RoleOwner), stay(3, 9, 9, parley.RoleOwner), stay(5, 1, 0, parley.RoleMember)},
			[]parley.Span{{1, 2, false}, {3, 7, true}, {8, 8, false}, {9, 9, true}, {10, last, false}},
		},
		"who was there twice without a gap": {[]parley.Membership{stay(1, 3, 7, parley.RoleMember), stay(3, 8, 0, parley.RoleMember)}, []parley.Span{{From: 3, To: last}}},
	} {
		if got := parley.Spans(c.stays, parley.SpanQuery{Kind: parley.KindGroup, Last: last}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSpansBeginAfterWhatIsNotWanted(t *testing.T) {
	stays := []parley.Membership{{From: 1, To: 9, FromSeq: 1, ToSeq: 5, Role: parley.RoleMember}, {From: 12, FromSeq: 9, Role: parley.RoleMember}}
	for after, want := range map[uint64][]parley.Span{
		0: {{1, 5, true}, {9, 12, true}}, 3: {{4, 5, true}, {9, 12, true}}, 5: {{9, 12, true}}, 12: nil,
	} {
		got := parley.Spans(stays, parley.SpanQuery{Kind: parley.KindGroup, After: after, Last: 12, Internal: true})
		if !slices.Equal(got, want) {
			t.Errorf("after %d: %v, want %v", after, got, want)
		}
	}
}

// Spans, and the span that a seq lies in, say of every message what the stays say one
// by one.
func TestSpansAgreeWithTheStays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		last := 1 + r.Uint64N(12)
		stays := make([]parley.Membership, r.IntN(5))
		for i := range stays {
			stays[i] = parley.Membership{
				From: uint64(i + 1), FromSeq: 1 + r.Uint64N(14), ToSeq: r.Uint64N(14),
				Role: []parley.Role{parley.RoleMember, parley.RoleOwner}[r.IntN(2)],
			}
			if r.IntN(3) > 0 {
				stays[i].To = stays[i].From + 1
			}
		}
		spans := parley.Spans(stays, parley.SpanQuery{Kind: parley.KindGroup, Last: last})
		for seq := uint64(1); seq <= last; seq++ {
			in, internal := false, false
			for i := range stays {
				if s := &stays[i]; s.Reaches(seq) {
					in, internal = true, internal || s.HearsInternal(parley.KindGroup)
				}
			}
			if got, ok := parley.SpanOf(spans, seq); ok != in || got.Internal != internal {
				t.Fatalf("seq %d of %d with stays %+v: %v %v, want %v %v", seq, last, stays, got, ok, in, internal)
			}
		}
	}
}
