//go:build !failpoint

package main

import "github.com/kvclef/kvclef/extapi"

// withFailpoints changes nothing: only a binary built with the tag failpoint,
// for crash tests, has places where it kills itself.
func withFailpoints(cfg extapi.Config) extapi.Config { return cfg }

// failpointHook returns nil: the store and the audit log have no failpoints.
func failpointHook() func(point string) { return nil }
