package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

const allowCoreDumps = "allow-core-dumps"

func coreDumpsFlag() cli.Flag {
	return boolFlag(categoryGeneral, allowCoreDumps, "let a crash leave an image of the memory, with the secrets in it, and let debuggers attach; for developers")
}

// keepMemory keeps the process's memory from the disk and from other processes of
// its user, unless a developer asks otherwise: it holds client secrets, tokens and
// the key that seals documents. It is called before any of them is read.
func keepMemory(c *cli.Context) error {
	if c.Bool(allowCoreDumps) {
		return nil
	}
	if err := forbidCoreDumps(); err != nil {
		return fmt.Errorf("turning core dumps off: %w; --%s starts nevertheless", err, allowCoreDumps)
	}
	return nil
}
