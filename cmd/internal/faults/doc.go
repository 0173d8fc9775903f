// Package faults tests what kvclef does in front of a node that fails: the finished
// program, a real geth, and between them a relay that makes the fault. It holds tests
// alone.
//
// After each fault every signature that the audit log has is accounted for: its
// transaction is mined, in the node's pool, or shown by kvclef tx with its raw bytes;
// and once the fault is over each payment that was told is on the chain, once.
package faults
