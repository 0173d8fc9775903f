package main

import (
	"io"
	"log/slog"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// newLogger returns the log of a validated configuration. Each line of a request has
// its id.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: levelOf(cfg.Level)}
	if cfg.Format == "json" {
		return slog.New(requestLog{Handler: slog.NewJSONHandler(w, options)})
	}
	return slog.New(requestLog{Handler: slog.NewTextHandler(w, options)})
}

// levelOf translates a level's name or Clef's number: 0 critical, 1 error,
// 2 warn, 3 info, 4 debug, 5 trace.
func levelOf(level string) slog.Level {
	switch strings.ToLower(level) {
	case "0", "1", "error":
		return slog.LevelError
	case "2", "warn":
		return slog.LevelWarn
	case "4", "5", "debug":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}
