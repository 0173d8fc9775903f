// Package filestest reads the files for Terraform with Terraform's own parser, for a
// machine without that program. It asks no provider, and is never linked into kvclef.
package filestest
