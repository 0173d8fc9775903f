// Package sending tests that what kvclef sends through a real geth is mined: the
// outbox on one side, a node with its pool on the other. It holds tests alone.
package sending
