package logging

import (
	"io"
	"log/slog"
	"testing"
	"time"
)

func BenchmarkRequestLine(b *testing.B) {
	log := New(io.Discard, "text", slog.LevelInfo)
	b.ReportAllocs()
	for b.Loop() {
		attrs := []slog.Attr{
			slog.String("id", "0123456789abcdef"), slog.String("method", "POST"), slog.String("path", "/api/events/publish"),
			slog.Int("status", 200), slog.Int("bytes", 120), slog.Duration("took", 1234567*time.Nanosecond),
			slog.String("ip", "127.0.0.1"), slog.String("org", "org_demo"), slog.String("principal", "key_01m80e2cmsfr1t78xb71kx9z0x"),
		}
		log.LogAttrs(b.Context(), slog.LevelInfo, "request", attrs...)
	}
}
