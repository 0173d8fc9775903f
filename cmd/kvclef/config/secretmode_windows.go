package config

import "io/fs"

// OpenToOthers is false: Windows has no such mode.
func OpenToOthers(fs.FileInfo) bool { return false }
