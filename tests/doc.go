// Package tests holds the black-box tests: the real binary, real sockets, real
// kills. Each is a promise of design.md section 6 that a stranger can run.
package tests
