package parley_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

// id makes the n-th id of a kind.
func id[T ~[16]byte](n byte) T { return T{0: 1, 6: 0x70, 8: 0x80, 15: n} }

func uuid(t *testing.T, s string) (out [16]byte) {
	t.Helper()
	if _, err := hex.Decode(out[:], []byte(strings.ReplaceAll(s, "-", ""))); err != nil {
		t.Fatal(err)
	}
	return out
}

// The vectors are those of the TypeID specification, version 0.3.
func TestTypeID(t *testing.T) {
	for digits, text := range map[string]string{
		"01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
		"00000000000000000000000001": "00000000-0000-0000-0000-000000000001",
		"0000000000000000000000000a": "00000000-0000-0000-0000-00000000000a",
		"0000000000000000000000000g": "00000000-0000-0000-0000-000000000010",
		"00000000000000000000000010": "00000000-0000-0000-0000-000000000020",
		"7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
	} {
		want := parley.ConversationID(uuid(t, text))
		for _, spelling := range []string{"conv_" + digits, text, strings.ToUpper(text)} {
			if got, err := parley.ParseConversationID(spelling); err != nil || got != want {
				t.Errorf("%s is read as %s, error %v", spelling, got.UUID(), err)
			}
		}
		if got := want.String(); got != "conv_"+digits {
			t.Errorf("%s is shown as %s, want conv_%s", text, got, digits)
		}
		if got := want.UUID(); got != text {
			t.Errorf("conv_%s is shown as the UUID %s, want %s", digits, got, text)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                "",
		"another kind":           "msg_01h455vb4pex5vsknk084sn02q",
		"no prefix":              "01h455vb4pex5vsknk084sn02q",
		"the prefix alone":       "conv_",
		"a prefix in capitals":   "CONV_01h455vb4pex5vsknk084sn02q",
		"digits in capitals":     "conv_01H455VB4PEX5VSKNK084SN02Q",
		"a digit too few":        "conv_01h455vb4pex5vsknk084sn02",
		"a digit too many":       "conv_01h455vb4pex5vsknk084sn02qq",
		"more than 128 bits":     "conv_8zzzzzzzzzzzzzzzzzzzzzzzzz",
		"l, which is no digit":   "conv_01h455vb4pex5vsknk084sn02l",
		"the zero id":            "conv_00000000000000000000000000",
		"the zero UUID":          "00000000-0000-0000-0000-000000000000",
		"a UUID without hyphens": "01890a5dac96774bbcceb302099a8057",
		"hyphens elsewhere":      "01890a5dac96-774b-bcce-b302-099a8057",
		"not hex":                "01890a5d-ac96-774b-bcce-b302099a805g",
		"a UUID in braces":       "{01890a5d-ac96-774b-bcce-b302099a8057}",
		"the documented example": "conv_6789",
	} {
		if got, err := parley.ParseConversationID(text); !errors.Is(err, parley.ErrBadID) || !got.IsZero() {
			t.Errorf("%s: %q is read as %s, error %v", name, text, got.UUID(), err)
		}
	}
}

// Every kind has its own prefix, so that one cannot be read as another.
func TestKindsOfID(t *testing.T) {
	for prefix, spelled := range map[string]string{
		"conv": id[parley.ConversationID](1).String(), "msg": id[parley.MessageID](1).String(),
		"evt": id[parley.EventID](1).String(), "run": id[parley.RunID](1).String(),
		"sub": id[parley.SubscriptionID](1).String(), "part": id[parley.ParticipantID](1).String(),
		"key": id[parley.KeyID](1).String(),
	} {
		if got, _, _ := strings.Cut(spelled, "_"); got != prefix {
			t.Errorf("%s has the prefix %s, want %s", spelled, got, prefix)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	type thing struct {
		ID   parley.MessageID `json:"id"`
		None parley.RunID     `json:"none"`
	}
	in := thing{ID: id[parley.MessageID](7)}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"` + in.ID.String() + `","none":""}`; string(text) != want {
		t.Errorf("written %s, want %s", text, want)
	}
	for _, spelled := range []string{string(text), `{"id":"` + in.ID.UUID() + `"}`} {
		var out thing
		if err := json.Unmarshal([]byte(spelled), &out); err != nil || out != in {
			t.Errorf("%s is read as %+v, error %v", spelled, out, err)
		}
	}
	var out thing
	if err := json.Unmarshal([]byte(`{"id":"conv_01h455vb4pex5vsknk084sn02q"}`), &out); !errors.Is(err, parley.ErrBadID) {
		t.Errorf("another kind's id is read: %+v, error %v", out, err)
	}
}

func TestTheZeroIDIsShownAsNothing(t *testing.T) {
	var none parley.EventID
	if none.String() != "" || none.UUID() != "" || !none.IsZero() {
		t.Errorf("shown as %q and %q", none.String(), none.UUID())
	}
}

// TypeIDs sort as their bytes do: whoever sorts texts sorts by time.
func FuzzID(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("0123456789abcdeg"))
	f.Add(make([]byte, 16), []byte{15: 1})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) != 16 || len(b) != 16 {
			return
		}
		x, y := parley.EventID(a), parley.EventID(b)
		for _, id := range []parley.EventID{x, y} {
			if id.IsZero() {
				return
			}
			for _, spelled := range []string{id.String(), id.UUID()} {
				if back, err := parley.ParseEventID(spelled); err != nil || back != id {
					t.Fatalf("%s is read as %v, error %v", spelled, back[:], err)
				}
			}
		}
		if strings.Compare(x.String(), y.String()) != strings.Compare(string(a), string(b)) {
			t.Fatalf("%s and %s sort differently from their bytes", x, y)
		}
	})
}

// FuzzParseID: there is one TypeID for each id, and no other text is one.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{"conv_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057", "conv_", "conv_8zzzzzzzzzzzzzzzzzzzzzzzzz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := parley.ParseConversationID(s)
		if err != nil {
			return
		}
		if s != id.String() && strings.ToLower(s) != id.UUID() {
			t.Fatalf("%q is read as %s", s, id)
		}
	})
}
