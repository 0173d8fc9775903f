// Package console is the web page on which people approve: what waits for them,
// what has become of it, what is used of limits, and what the signer has.
//
// The pages are made on the server and carry everything with them: they load
// nothing from elsewhere, and can be read without a script. What others chose to
// call things is shown inert. A vote is on the hash of what was shown; by passkey
// it is an assertion of its own, so that a session alone approves nothing.
//
// The package never signs, never decides, knows no password, and keeps nothing: a
// session ends with the process at the latest.
package console
