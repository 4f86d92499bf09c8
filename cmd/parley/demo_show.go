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

// showHeard prints the frame of the message as each surface had it, side by side.
func (d *demo) showHeard(ctx context.Context, ears []*ear) error {
	boxes := map[string][]string{}
	for _, e := range ears {
		mark := []byte(messageMarks[e.surface])
		frame, err := e.await(ctx, func(f []byte) bool { return bytes.Contains(f, mark) })
		if err != nil {
			return err
		}
		boxes[e.surface] = box(e.surface+"  "+e.path, frame)
	}
	// The two that tell much, then the two that tell little.
	d.print("%s\n", sideBySide(boxes["events"], boxes["topics"]))
	d.print("%s\n", sideBySide(boxes["bot"], boxes["chat"]))
	return nil
}

// showAnswer prints the agent's answer as the bot surface streams it.
func (d *demo) showAnswer(ctx context.Context, ears []*ear) error {
	bot := ears[1]
	printed := 0
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
			if printed == 0 {
				d.print("  ")
			}
			d.print("%s", strings.ReplaceAll(f.Content, "\n", "\n  "))
			printed += len(f.Content)
		case "stream_end":
			if printed < len(f.Content) {
				d.print("%s", strings.ReplaceAll(f.Content[printed:], "\n", "\n  "))
			}
			d.print("\n\n")
			return nil
		}
	}
}

const boxWidth = 58 // of the text within a box, in columns

// box draws a titled box around a frame, as indented JSON.
func box(title string, frame []byte) []string {
	var pretty bytes.Buffer
	if json.Indent(&pretty, frame, "", " ") != nil {
		pretty.Write(frame)
	}
	lines := []string{"┌─ " + title + " " + strings.Repeat("─", max(0, boxWidth-1-utf8.RuneCountInString(title))) + "┐"}
	for line := range strings.Lines(pretty.String()) {
		for _, part := range wrap(strings.TrimSuffix(line, "\n"), boxWidth) {
			lines = append(lines, "│ "+pad(part, boxWidth)+" │")
		}
	}
	return append(lines, "└"+strings.Repeat("─", boxWidth+2)+"┘")
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
	out := append([]string(nil), box[:len(box)-1]...)
	for len(out) < height-1 {
		out = append(out, "│ "+strings.Repeat(" ", boxWidth)+" │")
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
