package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
)

// The names of the socket: Clef's, where a folder is given as for Clef, and
// our own, so that both programs can run with their defaults.
const (
	clefSocket = "clef.ipc"
	ownSocket  = "kvclef.ipc"
)

// ipcPath returns the socket's path, "" when it is off. A path that ends in
// .ipc is the socket; any other is a folder, as in Clef. Without a path the
// configuration folder takes its place, and without that ~/.kvclef/kvclef.ipc
// is the socket. On Windows the socket is a named pipe, which has no folder.
func ipcPath(cfg *config.Config) (string, error) {
	path, folder := cfg.Listeners.IPC.Path, cfg.ConfigDir
	switch {
	case cfg.Listeners.IPC.Disabled:
		return "", nil
	case strings.HasSuffix(path, ".ipc"):
		return expandHome(path, "ipcpath")
	case runtime.GOOS == "windows" && path+folder == "":
		return `\\.\pipe\` + ownSocket, nil
	case runtime.GOOS == "windows":
		return `\\.\pipe\` + clefSocket, nil
	case path != "":
		return expandHome(filepath.Join(path, clefSocket), "ipcpath")
	case folder != "":
		return expandHome(filepath.Join(folder, clefSocket), "ipcpath")
	default:
		return expandHome("~/.kvclef/"+ownSocket, "ipcpath")
	}
}

// dataDir returns the path of the data directory.
func dataDir(cfg *config.Config) (string, error) {
	if cfg.DataDir == "" {
		return expandHome("~/.kvclef", "datadir")
	}
	return expandHome(cfg.DataDir, "datadir")
}

// placeFlags returns the flags that name a data directory to another command.
func placeFlags(place string, dir datadir.Dir) string {
	if place == "" {
		return " --datadir " + shellQuote(datadir.Absolute(dir.Path()))
	}
	return place
}

// missingDir completes the error of a data directory that is not there.
func missingDir(ctx context.Context, cfg *config.Config, err error) error {
	if missing := (*datadir.MissingError)(nil); errors.As(err, &missing) {
		missing.Flags = cfg.Place
		if cfg.Audit.File != "" && !cfg.Store.Postgres.Enabled() {
			if lost := lostState(ctx, cfg, datadir.Dir{}, datadir.Absolute(filepath.Join(missing.Path, "state.db"))); lost != nil {
				return lost
			}
		}
	}
	return err
}

// auditPath returns the file of the audit log of a data directory.
func auditPath(cfg *config.Config, dir datadir.Dir) (string, error) {
	if cfg.Audit.File == "" {
		return dir.AuditLog(), nil
	}
	return expandHome(cfg.Audit.File, "auditlog")
}

// expandHome replaces a leading ~/, which the shell leaves in a file, by the
// home directory. The flag is what to set where there is none.
func expandHome(path, flag string) (string, error) {
	rest, found := strings.CutPrefix(path, "~/")
	if !found {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usagef("%s: there is no home directory: give another path by --%s", path, flag)
	}
	return filepath.Join(home, rest), nil
}
