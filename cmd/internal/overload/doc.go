// Package overload tests a signer that is asked for more than its vaults can sign:
// the finished program over HTTPS, callers with certificates who keep sending
// whatever they are answered, and emulated vaults that take as many requests as
// Azure says they do. It holds tests alone.
//
// With DURATION set, as "make overload" does, it measures at the published limit of
// a vault for that long, and prints a table. Otherwise it takes seconds, at a lower
// limit, and asserts nothing that depends on how fast the machine is.
package overload
