package engine

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// Bounds of what a field may hold, in bytes.
const (
	maxID          = 256 // a principal's id, a client_msg_id, an idempotency key, a task id
	maxTitle       = 1024
	maxDescription = 16 << 10
)

func invalid(field, format string, args ...any) error {
	return &parley.Error{Code: parley.CodeInvalidArgument, Message: fmt.Sprintf(format, args...), Field: field}
}

// checkText refuses what is too long or cannot be stored everywhere: broken UTF-8
// and U+0000, which PostgreSQL's text does not hold.
func checkText(field, s string, limit int) error {
	switch {
	case len(s) > limit:
		return &parley.Error{Code: parley.CodeTooLarge, Message: fmt.Sprintf("%s is longer than %d bytes", field, limit), Field: field}
	case !utf8.ValidString(s):
		return invalid(field, "%s is not valid UTF-8", field)
	case strings.IndexByte(s, 0) >= 0:
		return invalid(field, "%s holds U+0000", field)
	}
	return nil
}

// checkPrincipals validates a list of ids and returns it without repeats.
func checkPrincipals(field string, ids []parley.PrincipalID, limit int) ([]parley.PrincipalID, error) {
	if len(ids) > limit {
		return nil, invalid(field, "%s names more than %d", field, limit)
	}
	seen := make(map[parley.PrincipalID]bool, len(ids))
	var out []parley.PrincipalID
	for _, id := range ids {
		if id == "" {
			return nil, invalid(field, "%s holds an empty id", field)
		}
		if err := checkText(field, string(id), maxID); err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

// checkOneOf refuses a value that is not among the known ones.
func checkOneOf[T ~string](field string, value T, known ...T) error {
	if !slices.Contains(known, value) {
		return invalid(field, "%s has a value that is not known", field)
	}
	return nil
}

// firstError returns the first that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
