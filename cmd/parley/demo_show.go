package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// messageMarks tell the frame of a posted message on each surface.
var messageMarks = map[string]string{
	"events": `"message.new"`, "bot": `"type":"message"`, "topics": `message_posted`, "chat": `"message.created"`,
}

// Columns of the text within a box.
const (
	leastBoxWidth = 56 // an id and its name fit in a line
	mostBoxWidth  = 76
	boxFrame      = 4 // what the frame takes besides
)

// showHeard prints the frame of the message as each surface had it: side by side
// where the terminal is wide enough for two, else one below the other.
func (d *demo) showHeard(ctx context.Context, ears []*ear) error {
	width := (d.columns-1)/2 - boxFrame
	pairs := width >= leastBoxWidth
	if !pairs {
		width = d.columns - boxFrame
	}
	width = max(leastBoxWidth/2, min(width, mostBoxWidth))
	boxes := map[string][]string{}
	for _, e := range ears {
		mark := []byte(messageMarks[e.surface])
		frame, err := e.await(ctx, func(f []byte) bool { return bytes.Contains(f, mark) })
		if err != nil {
			return err
		}
		boxes[e.surface] = box(e.surface+"  "+e.path, frame, width)
	}
	if pairs { // the two that tell much, then the two that tell little
		d.print("%s\n", sideBySide(boxes["events"], boxes["topics"]))
		d.print("%s\n", sideBySide(boxes["bot"], boxes["chat"]))
		return nil
	}
	for _, e := range ears {
		d.print("%s\n", strings.Join(boxes[e.surface], "\n"))
	}
	d.print("\n")
	return nil
}

// showAnswer prints the agent's answer as the bot surface streams it.
func (d *demo) showAnswer(ctx context.Context, ears []*ear) error {
	bot := ears[1]
	said, lines := 0, flow{indent: "  ", width: d.columns - 1}
	for {
		text, err := bot.await(ctx, func([]byte) bool { return true })
		if err != nil {
			return err
		}
		var f frame
		if json.Unmarshal(text, &f) != nil {
			continue
		}
		switch f.Type {
		case "tool_call":
			newScreen(d.stdout).note("  → " + f.Tool + " " + string(f.Arguments))
		case "stream_chunk":
			d.print("%s", lines.add(f.Content))
			said += len(f.Content)
		case "stream_end":
			if said < len(f.Content) {
				d.print("%s", lines.add(f.Content[said:]))
			}
			d.print("\n\n")
			return nil
		}
	}
}

// flow breaks a text that comes in pieces into indented lines, between words.
type flow struct {
	indent string
	width  int // in columns
	at     int // the column reached; zero before the first word
}

func (f *flow) add(text string) string {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out.WriteByte('\n')
			f.at = 0
		}
		for word := range strings.SplitAfterSeq(line, " ") {
			if f.at > 0 && f.at+utf8.RuneCountInString(strings.TrimSuffix(word, " ")) > f.width {
				out.WriteByte('\n')
				f.at = 0
			}
			if f.at == 0 && word != "" {
				out.WriteString(f.indent)
				f.at = len(f.indent)
			}
			out.WriteString(word)
			f.at += utf8.RuneCountInString(word)
		}
	}
	return out.String()
}

// box draws a titled box around a frame, as indented JSON; width is that of the
// text in it, in columns.
func box(title string, frame []byte, width int) []string {
	lines := []string{"┌─ " + title + " " + strings.Repeat("─", max(0, width-1-utf8.RuneCountInString(title))) + "┐"}
	for _, line := range layOut("", frame, "", width) {
		for _, part := range wrap(line, width) {
			lines = append(lines, "│ "+pad(part, width)+" │")
		}
	}
	return append(lines, "└"+strings.Repeat("─", width+2)+"┘")
}

// layOut writes JSON in lines: what fits into one stays there, the rest is opened
// up. lead is what comes before the value in its line, indentation first.
func layOut(lead string, value json.RawMessage, tail string, width int) []string {
	flat := lead + spaced(value) + tail
	opens := len(value) > 0 && (value[0] == '{' || value[0] == '[')
	if !opens || lead != "" && utf8.RuneCountInString(flat) <= width {
		return []string{flat}
	}
	indent := lead[:len(lead)-len(strings.TrimLeft(lead, " "))] + " "
	lines := []string{lead + string(value[:1])}
	decoder := json.NewDecoder(bytes.NewReader(value))
	_, _ = decoder.Token() // the opening one; the frame was read before
	for decoder.More() {
		name := ""
		if value[0] == '{' {
			key, err := decoder.Token()
			if err != nil {
				return []string{flat}
			}
			text, _ := json.Marshal(key) // a string
			name = string(text) + ": "
		}
		var element json.RawMessage
		if decoder.Decode(&element) != nil {
			return []string{flat}
		}
		comma := ""
		if decoder.More() {
			comma = ","
		}
		lines = append(lines, layOut(indent+name, element, comma, width)...)
	}
	return append(lines, indent[1:]+string(value[len(value)-1:])+tail)
}

// spaced is JSON on one line, with a blank after each comma and colon outside of
// strings.
func spaced(value []byte) string {
	var out strings.Builder
	quoted := false
	for i, c := range value {
		out.WriteByte(c)
		switch {
		case c == '"' && (i == 0 || !quoted || !escaped(value[:i])):
			quoted = !quoted
		case !quoted && (c == ',' || c == ':'):
			out.WriteByte(' ')
		}
	}
	return out.String()
}

// escaped reports whether what follows a text is escaped by the backslashes at its
// end.
func escaped(before []byte) bool {
	return (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 1
}

// sideBySide joins two boxes, the shorter one stretched.
func sideBySide(left, right []string) string {
	height := max(len(left), len(right))
	left, right = stretch(left, height), stretch(right, height)
	var out strings.Builder
	for i := range height {
		out.WriteString(left[i] + " " + right[i] + "\n")
	}
	return out.String()
}

func stretch(box []string, height int) []string {
	last := box[len(box)-1]
	empty := "│" + strings.Repeat(" ", utf8.RuneCountInString(last)-2) + "│"
	out := append([]string(nil), box[:len(box)-1]...)
	for len(out) < height-1 {
		out = append(out, empty)
	}
	return append(out, last)
}

// wrap cuts a line into parts of at most width runes.
func wrap(line string, width int) []string {
	var parts []string
	runes := []rune(line)
	for len(runes) > width {
		parts = append(parts, string(runes[:width]))
		runes = runes[width:]
	}
	return append(parts, string(runes))
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
