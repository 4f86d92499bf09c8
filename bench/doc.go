// Package bench measures whole servers. README.md holds the figures, each with
// its command.
package bench
