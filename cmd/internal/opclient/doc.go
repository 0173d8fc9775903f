// Package opclient holds no code. Its test has the signer client of the OP stack,
// which op-batcher, op-proposer and op-node are built with, ask the real kvclef
// over TLS with client certificates.
//
// It is a module of its own: the client needs another go-ethereum than kvclef, and
// nothing of it may reach the product's module.
package opclient
