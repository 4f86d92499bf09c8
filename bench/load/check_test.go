package load

import "testing"

func TestOrderNoticesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		come                     []uint32
		sent                     uint32
		lost, doubled, reordered int
	}{
		"all in order":              {[]uint32{1, 2, 3}, 3, 0, 0, 0},
		"one in the middle is lost": {[]uint32{1, 3}, 3, 1, 0, 0},
		"the last are lost":         {[]uint32{1}, 3, 2, 0, 0},
		"nothing came":              {nil, 2, 2, 0, 0},
		"the latest comes twice":    {[]uint32{1, 2, 2}, 2, 0, 1, 0},
		"an older comes twice":      {[]uint32{1, 2, 3, 1}, 3, 0, 1, 0},
		"two are swapped":           {[]uint32{1, 3, 2}, 3, 0, 0, 1},
		"a late one comes twice":    {[]uint32{1, 3, 2, 2}, 3, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var o Order
			for _, seq := range c.come {
				o.See(seq)
			}
			if o.Lost(c.sent) != c.lost || o.Doubled != c.doubled || o.Reordered != c.reordered {
				t.Errorf("lost %d, doubled %d, reordered %d", o.Lost(c.sent), o.Doubled, o.Reordered)
			}
		})
	}
}

func TestOrderGoesOnFromBefore(t *testing.T) {
	var before Order
	before.See(1)
	after := before
	if !after.See(2) || after.See(1) || after.Doubled != 1 || after.Lost(2) != 0 {
		t.Errorf("%+v", after)
	}
}
