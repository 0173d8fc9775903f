//go:build !linux

package main

// forbidCoreDumps does nothing: what a crash leaves is the system's to say.
func forbidCoreDumps() error { return nil }
