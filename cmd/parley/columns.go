package main

import (
	"os"
	"strconv"
)

// defaultColumns is how wide a terminal is taken to be that does not say.
const defaultColumns = 80

// columns is how wide the output is: what COLUMNS says, else the terminal, else
// 80.
func (p *program) columns() int {
	if n, err := strconv.Atoi(p.variable("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := p.stdout.(*os.File); ok {
		if n := terminalColumns(f); n > 0 {
			return n
		}
	}
	return defaultColumns
}
