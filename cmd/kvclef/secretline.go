package main

import (
	"log/slog"

	"github.com/kvclef/kvclef/cmd/kvclef/reread"
)

// keptLine returns what has the secret in a file of one line as it stands then, nil if there
// is no file.
func keptLine(key, file string, read func() (string, error), log *slog.Logger) (func() string, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // as it is taken
	}
	secret, err := reread.New(reread.Config[string]{Read: read, Same: reread.SameText, Logger: log.With("key", key, "file", file)})
	if err != nil {
		return nil, &usageError{err}
	}
	return secret.Value, nil
}
