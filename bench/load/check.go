package load

// Order checks what one connection hears of one topic: 1, 2, 3, … each once. Its
// zero value has heard nothing.
type Order struct {
	last uint32
	// missing are those below last that have not come; nil while there are none.
	missing map[uint32]struct{}

	Doubled   int // came again
	Reordered int // came after a later one
}

// See notes that a message has come, and reports whether it is the first time.
func (o *Order) See(seq uint32) bool {
	if seq == o.last+1 {
		o.last = seq
		return true
	}
	return o.odd(seq)
}

func (o *Order) odd(seq uint32) bool {
	if seq > o.last {
		if o.missing == nil {
			o.missing = map[uint32]struct{}{}
		}
		// A gap that is too long to be listed is a garbled mark or a lost stream:
		// bad in any case, and counted by Lost.
		for s := o.last + 1; s < seq && len(o.missing) < 1<<20; s++ {
			o.missing[s] = struct{}{}
		}
		o.last = seq
		return true
	}
	if _, ok := o.missing[seq]; ok {
		delete(o.missing, seq)
		o.Reordered++
		return true
	}
	o.Doubled++
	return false
}

// Lost is how many of those sent, 1 to sent, have not come.
func (o *Order) Lost(sent uint32) int {
	lost := len(o.missing)
	if sent > o.last {
		lost += int(sent - o.last)
	}
	return lost
}

// Next is the seq that is due.
func (o *Order) Next() uint32 { return o.last + 1 }
