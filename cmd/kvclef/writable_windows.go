package main

// writable leaves it to the start: access lists say more than can be asked.
func writable(string, bool) error { return nil }
