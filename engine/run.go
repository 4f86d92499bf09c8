package engine

// RunWriter is the pen of one run: what an agent says goes through it.
type RunWriter struct{}

// tape carries what runs say to the run log, and from there to the listeners.
type tape struct{ engine *Engine }
