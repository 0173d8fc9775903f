// Package charttest checks the chart with Helm's own engine and Kubernetes' own
// types: that it renders what it is meant to, that every field exists, and that
// the pods are restricted. It is never linked into kvclef.
package charttest
