package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// slowTick is how often a connection that reads slowly reads.
const slowTick = 250 * time.Millisecond

// slowly lets the connections read whose time has come, and returns how long
// until that of the next.
func (l *Loop) slowly() time.Duration {
	wait := slowTick
	if len(l.slow) == 0 {
		return wait
	}
	now := l.Now()
	for _, c := range l.slow {
		if c.state == closed {
			continue
		}
		if c.due == 0 { // spread over the first tick
			c.due = now + int64(slowTick)*int64(c.fd%64)/64
		}
		if c.due <= now {
			c.due += int64(slowTick)
			l.read(c, max(1, c.Dial.Slow*int(slowTick/time.Millisecond)/1000))
		}
		wait = min(wait, time.Duration(max(c.due-now, 0)))
	}
	return wait
}

// threadCPU is what the calling thread has used.
func threadCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
