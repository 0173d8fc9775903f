//go:build !linux

package audit

// syncData makes what was written over in a file durable.
func syncData(f file) error { return f.Sync() }
