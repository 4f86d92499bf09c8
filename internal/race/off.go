//go:build !race

// Package race tells tests whether the race detector watches them: it allocates
// on its own account and has pools forget things at random, so that what is
// counted then is not what a server does.
package race

// Enabled says whether the race detector watches this binary.
const Enabled = false
