package postgres

import (
	"context"
	"errors"

	"github.com/parley-chat/parley"
)

func (s *Store) Search(ctx context.Context, q parley.SearchQuery) (hits []parley.SearchHit, next string, err error) {
	return nil, "", errors.New("pending")
}
