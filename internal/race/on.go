//go:build race

package race

// Enabled says whether the race detector watches this binary.
const Enabled = true
