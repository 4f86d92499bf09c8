package jsonw

import (
	"testing"
	"time"
)

type thing [2]byte

func (t thing) AppendTypeID(dst []byte) []byte { return append(append(dst, "thing_"...), t[:]...) }
func (t thing) IsZero() bool                   { return t == thing{} }

func TestFields(t *testing.T) {
	dst := []byte("{")
	dst = TextIf(dst, "absent", "")
	dst = IDIf(dst, "none", thing{})
	dst = True(dst, "no", false)
	dst = Text(dst, "a", `"`)
	dst = TextIf(dst, "b", "x")
	dst = append(Key(dst, "o"), '{')
	dst = ID(dst, "id", thing{'z', 'z'})
	dst = IDIf(dst, "other", thing{'y', 'y'})
	dst = append(dst, '}')
	dst = TimeAt(dst, "t", time.Unix(0, 0))
	dst = True(dst, "yes", true)
	dst = Object(dst, "stored", []byte(`{"n":1.0}`))
	dst = Object(dst, "nil", nil)
	dst = Object(dst, "null", []byte("null"))
	dst = append(dst, '}')
	const want = `{"a":"\"","b":"x","o":{"id":"thing_zz","other":"thing_yy"},"t":"1970-01-01T00:00:00.000Z",` +
		`"yes":true,"stored":{"n":1.0},"nil":{},"null":{}}`
	if got := string(dst); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
