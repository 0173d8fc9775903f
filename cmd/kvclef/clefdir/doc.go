// Package clefdir reads what Clef keeps on disk: its configuration directory,
// with the master seed and the storages that are sealed under it, and the
// keystore files of accounts.
//
// Whatever it reads may have been made to do harm: sizes, and what a password
// costs to try, are bounded before they are used, links are not followed, and a
// value counts only when its seal is whole. The package writes nothing, logs
// nothing, and puts neither a password nor a key into an error.
package clefdir
