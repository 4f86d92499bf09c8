// Package auth tells who speaks: it makes and verifies access tokens, messaging
// tokens and API keys, remembers what was verified, and withdraws what was
// revoked (design.md section 10; contracts.md sections 1.4, 4.1 and 6).
//
// Keys is the server's own signing key, Authenticator the door every credential
// comes through, FailureLimiter what slows down those who guess.
package auth
