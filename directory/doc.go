// Package directory is the built-in user directory: it signs people up and in by
// e-mail and password, renews what they come with, and keeps what they tell of
// themselves (contracts.md 4.2, /auth). It decides by the ports of the root
// package; who reads requests and who makes access tokens is given to it.
//
// A sign-in is a family of refresh tokens. Each is good once, for the next one and
// an access token of a few minutes. One that comes a second time was stolen, then
// or now: its family ends, with the access tokens and the sockets that came of it.
package directory
