package parley_test

import (
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
			[]parley.Span{{1, 2, true}, {3, 7, false}, {8, 9, true}, {10, 12, true}, {13, last, true}},
		},
	} {
		if got := parley.Spans(c.stays, parley.KindGroup, last); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
