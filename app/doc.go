// Package app puts the parts together: the only package that knows every adapter.
// New reads the configuration, Start opens store and bus and begins to serve,
// Stop drains. The lists in wire.go are the whole product: a dialect or an agent
// is added there by one line.
package app
