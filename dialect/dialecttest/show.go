package dialecttest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

// Show prints a command the way the transcripts do: type, then the fields that
// are not zero, in the order they are declared. Ids are shown as TypeIDs, a
// pattern as its text, one that could not be parsed with a question mark before.
func Show(c parley.Command) string {
	if c == nil {
		return "nothing"
	}
	var b strings.Builder
	show(&b, reflect.ValueOf(c))
	return b.String()
}

func show(b *strings.Builder, v reflect.Value) {
	switch x := v.Interface().(type) {
	case parley.Pattern:
		if x.Segments == [5]string{} && x.Any == [5]bool{} {
			b.WriteByte('?')
		}
		b.WriteString(strconv.Quote(x.Text))
		return
	case parley.RawJSON:
		b.Write(x)
		return
	case time.Time:
		b.WriteString(x.UTC().Format(time.RFC3339Nano))
		return
	case fmt.Stringer:
		b.WriteString(x.String())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		showStruct(b, v)
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			show(b, v.Index(i))
		}
		b.WriteByte(']')
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	default:
		fmt.Fprint(b, v.Interface())
	}
}

func showStruct(b *strings.Builder, v reflect.Value) {
	b.WriteString(v.Type().Name())
	b.WriteByte('{')
	sep := ""
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		b.WriteString(sep + v.Type().Field(i).Name + ": ")
		show(b, v.Field(i))
		sep = ", "
	}
	b.WriteByte('}')
}
