package sqlite

import "context"

const (
	selectTotal = `SELECT total_changes()`
	insertDummy = `INSERT INTO search (rowid, terms) VALUES (0, 'x')`
	deleteDummy = `INSERT INTO search (search, rowid, terms) VALUES ('delete', 0, 'x')`
	mergeSearch = `INSERT INTO search (search, rank) VALUES ('merge', ?)`

	mergePages = 100 // of the index that one update writes
)

// renewSearch writes the search index anew, some pages at a time: the words by which it
// tells its pages apart stay when they are deleted. A segment that is alone would be
// left as it is, so that one of a single entry is put beside it.
func (s *Store) renewSearch(ctx context.Context) error {
	for _, query := range []string{insertDummy, deleteDummy} {
		err := s.writer.do(ctx, func(t *tx) error {
			_, err := t.exec(query)
			return err
		})
		if err != nil {
			return err
		}
	}
	pages := -mergePages // less than 0: all segments become one
	for done := false; !done; {
		err := s.writer.do(ctx, func(t *tx) error {
			var before, after int64
			err := t.one(selectTotal, nil, &before)
			if err == nil {
				_, err = t.exec(mergeSearch, pages)
			}
			if err == nil {
				err = t.one(selectTotal, nil, &after)
			}
			done = after-before < 2 // nothing was left to merge, says the manual
			return err
		})
		if err != nil {
			return err
		}
		pages = mergePages
	}
	return nil
}
