// Package passthrough holds the tests of extapi/proxy that need a real node:
// what a client gets through the proxy is what geth gives it directly.
package passthrough
