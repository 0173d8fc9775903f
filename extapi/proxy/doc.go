// Package proxy is a JSON-RPC proxy in front of an Ethereum node. It takes the
// methods that it was given and passes everything else through: HTTP and
// WebSocket in; http(s), ws(s) or IPC to the node.
//
// What passes through is passed as it came, and in order: the same bytes to an
// HTTP node, its answer streamed back, frames of a WebSocket both ways over a
// connection of the client's own, so that subscriptions are what they are
// without a proxy.
//
// A node must never see another method than the one that was judged here. So
// every message is scanned whole and strictly, before anything of it is sent:
// valid JSON of bounded size and depth; the members jsonrpc, id, method and
// params, each at most once and no other; a method of printable ASCII without
// escapes. What differs is refused, not repaired.
//
// The package never signs, never answers one request twice, never tells a caller
// the node's address, and never sends the caller's cookies or authorisation to
// the node.
package proxy
