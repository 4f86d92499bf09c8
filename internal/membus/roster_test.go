package membus_test

import (
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/bustest"
	"github.com/parley-chat/parley/internal/membus"
)

func TestRoster(t *testing.T) {
	bustest.Roster(t, func(*testing.T) parley.Roster { return new(membus.Roster) })
}
