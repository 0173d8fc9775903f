//go:build !race

package clefjs

// raceDetector is on in builds for it.
const raceDetector = false
