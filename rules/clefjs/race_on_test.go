//go:build race

package clefjs

// raceDetector: everything takes several times as long, also what can't be
// stopped in its middle.
const raceDetector = true
