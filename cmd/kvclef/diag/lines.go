package diag

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// maxTail bounds what is read of a log, in bytes.
const maxTail = 4 << 20

// Tail returns the last lines of a log, without what may be a secret in the URLs that
// others wrote into them: users, paths and queries.
func Tail(path string, lines int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the log: %s is not a file", path)
	}
	start := max(0, info.Size()-maxTail)
	text, err := io.ReadAll(io.NewSectionReader(file, start, maxTail))
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	all := strings.SplitAfter(strings.ToValidUTF8(string(text), "?"), "\n")
	if start > 0 {
		all = all[1:] // it may be a part of a line
	}
	if n := len(all); n > 0 && all[n-1] == "" {
		all = all[:n-1]
	}
	all = all[max(0, len(all)-lines):]
	return []byte(withoutSecrets(strings.Join(all, ""))), nil
}

var (
	urlsWithMore = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)(?:[^\s"'\\/@]*@)?([^\s"'\\/?#]+)[^\s"'\\]*`)
	bearers      = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[^\s"'\\]+`)
)

func withoutSecrets(text string) string {
	return bearers.ReplaceAllString(urlsWithMore.ReplaceAllString(text, "$1$2"), "$1 (not shown)")
}
