package jsonw

import "time"

// Key appends `"key":`, after a comma unless it is the first of its object. Keys
// are the caller's own and are not escaped.
func Key(dst []byte, key string) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

// Text appends a field that is a string.
func Text(dst []byte, key, s string) []byte { return String(Key(dst, key), s) }

// TextIf appends the field unless s is empty.
func TextIf(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return Text(dst, key, s)
}

// TimeAt appends a field that is a time, as Time spells it.
func TimeAt(dst []byte, key string, t time.Time) []byte { return Time(Key(dst, key), t) }

// True appends the field as true where it holds, and nothing where not.
func True(dst []byte, key string, holds bool) []byte {
	if !holds {
		return dst
	}
	return Bool(Key(dst, key), true)
}

// Number appends a field that is a number.
func Number(dst []byte, key string, n uint64) []byte { return Uint(Key(dst, key), n) }

// Raw appends a field that is stored JSON, or the fallback where there is none.
func Raw(dst []byte, key string, stored []byte, fallback string) []byte {
	dst = Key(dst, key)
	if len(stored) == 0 {
		return append(dst, fallback...)
	}
	return append(dst, stored...)
}

// Object appends a field that is stored JSON, {} where there is none.
func Object(dst []byte, key string, stored []byte) []byte {
	dst = Key(dst, key)
	if len(stored) == 0 || string(stored) == "null" {
		return append(dst, "{}"...)
	}
	return append(dst, stored...)
}

// typeID is an id that spells itself without a need to be escaped.
type typeID interface {
	AppendTypeID(dst []byte) []byte
	IsZero() bool
}

// ID appends a field that is an id, as a TypeID.
func ID[T typeID](dst []byte, key string, id T) []byte {
	dst = append(Key(dst, key), '"')
	dst = id.AppendTypeID(dst)
	return append(dst, '"')
}

// IDIf appends the field unless the id is the zero one.
func IDIf[T typeID](dst []byte, key string, id T) []byte {
	if id.IsZero() {
		return dst
	}
	return ID(dst, key, id)
}
