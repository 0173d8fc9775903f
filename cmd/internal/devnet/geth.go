package devnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// tools is the folder of the module that pins the version of geth, in the
// repository.
const tools = ".ci/tools"

// Geth returns the path of a geth program: the environment's GETH, or the one
// built from the repository's tools module, which is built when it is missing
// (minutes, once).
func Geth(ctx context.Context) (string, error) {
	if path := os.Getenv("GETH"); path != "" {
		return path, nil
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, tools, "bin", "geth")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", "bin/", "github.com/ethereum/go-ethereum/cmd/geth")
	build.Dir = filepath.Join(root, tools)
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building geth: %w: %s", err, text)
	}
	return path, nil
}

// repository returns the root of the repository that the working directory is
// in.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the repository: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, tools, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("looking for the repository: no folder above the working directory holds %s: set GETH to the path of geth", tools)
}
