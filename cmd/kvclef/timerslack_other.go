//go:build !linux

package main

// startWithSlack does nothing: timer slack is Linux's.
func startWithSlack(uint32) {}
