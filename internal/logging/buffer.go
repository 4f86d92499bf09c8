package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// bufferTime is how long a line may wait while others come.
	bufferTime = 100 * time.Millisecond
	bufferSize = 64 << 10 // bytes that may wait
)

// Buffer gathers the lines of a busy log, so that a server that answers thousands
// of requests a second does not make a system call for each. A line that comes
// after a quiet time is written at once; those that follow within 100 ms are
// written together at its end, or with the next warning. May be used concurrently.
// A process that is killed loses what waits; Close it at an orderly end.
type Buffer struct {
	mu      sync.Mutex
	w       io.Writer
	lines   []byte
	timer   *time.Timer // runs while busy
	busy    bool
	through bool // closed: nothing waits any more
}

// NewBuffer makes a Buffer in front of w. New, given one, has warnings and errors
// written at once.
func NewBuffer(w io.Writer) *Buffer {
	b := &Buffer{w: w}
	b.timer = time.AfterFunc(time.Hour, b.tick)
	b.timer.Stop()
	return b
}

// Write takes whole lines. An error of the writer behind it that belongs to lines
// that waited is nobody's: a log has nowhere to tell of it.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.through {
		return b.w.Write(p)
	}
	if !b.busy {
		b.busy = true
		b.timer.Reset(bufferTime)
		return b.w.Write(p)
	}
	b.lines = append(b.lines, p...)
	if len(b.lines) >= bufferSize {
		b.flush()
	}
	return len(p), nil
}

// tick ends a time in which lines were gathered, and the busy time where none were.
func (b *Buffer) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 || b.through {
		b.busy = false
		return
	}
	b.flush()
	b.timer.Reset(bufferTime)
}

// Flush writes what waits.
func (b *Buffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

// Close writes what waits; what comes later is written at once.
func (b *Buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer.Stop()
	b.flush()
	b.through = true
	return nil
}

func (b *Buffer) flush() {
	if len(b.lines) > 0 {
		_, _ = b.w.Write(b.lines)
		b.lines = b.lines[:0]
	}
}

// urgent is a handler that lets no warning wait.
type urgent struct {
	slog.Handler
	buffer *Buffer
}

// Handle implements slog.Handler.
func (h urgent) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.buffer.Flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return urgent{h.Handler.WithAttrs(attrs), h.buffer}
}

// WithGroup implements slog.Handler.
func (h urgent) WithGroup(name string) slog.Handler {
	return urgent{h.Handler.WithGroup(name), h.buffer}
}
