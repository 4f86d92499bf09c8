package dialecttest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Update reports whether the tests run with -update: golden files are then
// rewritten instead of compared.
func Update() bool { return *update }

// runTranscripts replays every transcript of the dialect and compares, or with
// -update rewrites, what it says.
func runTranscripts(t *testing.T, d parley.Dialect, o Options) {
	files, err := filepath.Glob(filepath.Join(o.dir(), "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s (%v)", o.dir(), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, d, string(data))
			Golden(t, file, got)
		})
	}
}

// Golden compares a text with a file, line by line, or with -update writes the
// file.
func Golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		gl, wl := line(g, i), line(w, i)
		if gl != wl {
			t.Fatalf("%s:%d (rerun with -update if the change is meant)\n got %s\nwant %s", file, i+1, gl, wl)
		}
	}
}

func line(lines []string, i int) string {
	if i >= len(lines) {
		return "(end of file)"
	}
	return lines[i]
}

// replay rewrites a transcript with what the dialect says today: it keeps what
// is sent and all comments, and makes the answers anew.
func replay(t *testing.T, d parley.Dialect, text string) string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(l, "> "):
			out = append(out, l)
			out = append(out, decoded(d, l[2:])...)
		case strings.HasPrefix(l, "@ "):
			out = append(out, l, encoded(t, d, l[2:]))
		case l == ".", strings.HasPrefix(l, "= "), strings.HasPrefix(l, "! "), strings.HasPrefix(l, "< "):
		default:
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// decoded tells how an inbound frame is read: its command, its error or both.
func decoded(d parley.Dialect, frame string) []string {
	command, err := d.Decode([]byte(frame))
	var lines []string
	if command != nil {
		lines = append(lines, "= "+Show(command))
	}
	var e *parley.Error
	switch {
	case errors.As(err, &e):
		lines = append(lines, "! "+string(e.Code)+": "+e.Message)
	case err != nil:
		lines = append(lines, "! not a *parley.Error: "+err.Error())
	case command == nil:
		lines = append(lines, "! neither a command nor an error")
	}
	return lines
}

// encoded tells the frame of the sample that a `@` line names.
func encoded(t *testing.T, d parley.Dialect, what string) string {
	t.Helper()
	var frame []byte
	if name, ok := strings.CutPrefix(what, "reply "); ok {
		frame = d.AppendReply(nil, Reply(name))
	} else {
		name, internal := strings.CutSuffix(what, " internal")
		view := parley.ViewPublic
		if internal {
			view = parley.ViewInternal
		}
		frame = d.AppendEvent(nil, Event(name), view)
	}
	if len(frame) == 0 {
		return "."
	}
	return "< " + string(frame)
}

// inboundFrames returns every frame that the dialect's transcripts send.
func inboundFrames(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var frames []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for l := range strings.Lines(string(data)) {
			if frame, ok := strings.CutPrefix(l, "> "); ok {
				frames = append(frames, strings.TrimSuffix(frame, "\n"))
			}
		}
	}
	return frames, nil
}
