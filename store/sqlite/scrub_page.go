package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
)

const (
	selectPages = `PRAGMA page_count`
	selectPage  = `SELECT data FROM sqlite_dbpage WHERE pgno = ?`
	updatePage  = `UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?`

	// Beyond so many pages (128 GiB) the first byte of an overflow page may look like
	// that of a tree's.
	maxPages = 1 << 25
	// gapPages is how many pages one update cleans.
	gapPages = 64
)

// cleanGaps overwrites what a page of a tree does not use: where SQLite splits a page,
// copies of what went to the other one are left there. A page is changed by SQLite
// itself, within a transaction; nothing that it looks at changes.
func (s *Store) cleanGaps(ctx context.Context) error {
	var count int64
	if err := one(ctx, s.reads, selectPages, nil, &count); err != nil {
		return translate(err)
	}
	var dirty []int64
	for n := int64(1); n <= min(count, maxPages); n++ {
		var data []byte
		if err := one(ctx, s.reads, selectPage, []any{n}, &data); err != nil {
			return translate(err)
		}
		if clean(data, n == 1) {
			dirty = append(dirty, n)
		}
		if len(dirty) == gapPages || n == min(count, maxPages) {
			if err := s.cleanPages(ctx, dirty); err != nil {
				return err
			}
			dirty = dirty[:0]
		}
	}
	return nil
}

func (s *Store) cleanPages(ctx context.Context, pages []int64) error {
	if len(pages) == 0 {
		return nil
	}
	return s.writer.do(ctx, func(t *tx) error {
		for _, n := range pages {
			var data []byte
			if err := t.one(selectPage, []any{n}, &data); err != nil {
				return err
			}
			if clean(data, n == 1) {
				if _, err := t.exec(updatePage, data, n); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// clean overwrites the unused parts of a page of a tree, and reports whether that
// changed it: the gap between the pointers to its cells and the first of them, and its
// free blocks but for their links. Other pages it leaves alone. The layout is that of
// the SQLite file format, section 1.6.
func clean(page []byte, first bool) (changed bool) {
	at := 0
	if first {
		at = 100 // behind the header of the file
	}
	if len(page) < 512 {
		return false
	}
	header := 8
	switch page[at] {
	case 0x02, 0x05: // interior
		header = 12
	case 0x0a, 0x0d: // leaf
	default:
		return false
	}
	number := func(at int) int { return int(binary.BigEndian.Uint16(page[at:])) }
	cells := number(at + 3)
	content := number(at + 5)
	if content == 0 {
		content = 1 << 16
	}
	from := at + header + 2*cells
	if from > content || content > len(page) {
		return false // no tree's
	}
	changed = zero(page[from:content])
	for block := number(at + 1); block >= content && block+4 <= len(page); {
		next, size := number(block), number(block+2)
		if size < 4 || block+size > len(page) || next != 0 && next <= block {
			break
		}
		changed = zero(page[block+4:block+size]) || changed
		block = next
	}
	return changed
}

// zero overwrites b, and reports whether that changed it.
func zero(b []byte) bool {
	if len(bytes.TrimLeft(b, "\x00")) == 0 {
		return false
	}
	clear(b)
	return true
}
