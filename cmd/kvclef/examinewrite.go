package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
)

// writing looks whether a signer could write where it has to, where none is started next:
// one that is tells by itself, at the first place where it can't.
func (e *examination) writing(known *durable) {
	if !e.alone {
		return
	}
	if path := known.dir.Path(); path != "" {
		e.addOf("the data directory", writable(datadir.Absolute(path), true))
		if _, err := os.Stat(known.dir.Store()); err == nil {
			e.addOf("the state", writable(datadir.Absolute(known.dir.Store()), false))
		}
	}
	if e.cfg.Audit.File != "" || known.dir.Path() != "" {
		if path, err := auditPath(e.cfg, known.dir); err == nil {
			e.auditWriting(datadir.Absolute(path))
		}
	}
	if path, err := ipcPath(e.cfg); err == nil && path != "" && runtime.GOOS != "windows" && !madeForUnit(filepath.Dir(path)) {
		e.addOf("the IPC socket "+path, canBeMade(datadir.Absolute(filepath.Dir(path))))
	}
}

// madeForUnit reports whether the service manager makes a folder for the unit, and takes it away
// when it ends: systemd's RuntimeDirectory=. What checks for the unit has it not.
func madeForUnit(folder string) bool {
	return slices.Contains(filepath.SplitList(os.Getenv("RUNTIME_DIRECTORY")), folder)
}

// auditWriting looks at a place for an audit log, where there is a folder.
func (e *examination) auditWriting(path string) {
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return // it was told
	}
	e.addOf("the audit log", writable(folder, true))
	if _, err := os.Stat(path); err == nil {
		e.addOf("the audit log", writable(path, false))
	}
}

// canBeMade refuses a folder that is not there and could not be made, or in which nothing
// could be. What is above it is made with it.
func canBeMade(folder string) error {
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist) && folder != filepath.Dir(folder):
		return canBeMade(filepath.Dir(folder))
	case err != nil:
		return fmt.Errorf("its folder can't be made: %w", err)
	case !info.IsDir():
		return fmt.Errorf("its folder can't be made: %s is no folder", folder)
	}
	return writable(folder, true)
}
