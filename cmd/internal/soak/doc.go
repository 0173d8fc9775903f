// Package soak asks the finished program for as many signatures as a relayer wants in
// a day, as fast as the machine does them, and looks at what the program keeps:
// goroutines, file descriptors, heap, and what it writes. It holds tests alone.
//
// Callers of all kinds come and go: by IPC, HTTPS, and WebSocket through the
// proxy in front of a node; with all types of
// transactions, messages and typed data; with what is refused and what is malformed;
// and such as hang up in the middle. The vault fails now and then, certificates are
// replaced, and the policy is read again.
//
// What may grow: the audit log, by a bounded size for each request. The charges of a
// limit and the signatures that an equal request is answered with are kept for their
// time, here of seconds: what is kept for longer than that shows as growth.
package soak
