package main

import "os"

// isTerminal reports whether a stream is a terminal, so that somebody may be there.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && terminalAt(file.Fd())
}

// colours reports whether the output is to have colours.
func (p *program) colours() colours {
	_, without := os.LookupEnv("NO_COLOR")
	return colours(isTerminal(p.stdout) && !without && os.Getenv("TERM") != "dumb")
}
