// Package imagetest reads the Dockerfile with BuildKit's own parser and linter,
// for a machine without a container engine. It builds nothing, and is never
// linked into kvclef.
package imagetest
