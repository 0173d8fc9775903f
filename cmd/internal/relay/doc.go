// Package relay stands between a program and an Ethereum node, over HTTP and
// WebSocket on one port, and makes the faults that tests ask for: a node that is
// down, slow, answers garbage, or whose connection breaks after it has taken a
// request. Without a fault everything passes as it is.
//
// It serves tests alone, on the loopback interface. It never changes a request.
package relay
