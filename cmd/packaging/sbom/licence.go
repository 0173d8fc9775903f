package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// licence is what a module is under.
type licence struct {
	id    string // SPDX expression
	texts [][]byte
}

var errLicence = errors.New("the licence is not recognised: read it, and add what is missing to the list in licence.go")

// wholeFile is the part of a file, in percent, that must be the text of
// licences for these to count: the rest are names of authors.
const wholeFile = 75

// licenceFile matches the files that say what a module may be used for. PATENTS
// goes with the licence of Go.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-](md|txt|rst|lesser|code|docs|mit|apache|apache-2\.0|bsd))?$`)

// spdxName is the name that SPDX has for what licensecheck calls otherwise. It
// tells the text of the LGPL, which go-ethereum's files permit in later versions.
func spdxName(id string) string {
	switch id {
	case "LGPL-3.0":
		return "LGPL-3.0-or-later"
	case "GPL-3.0":
		return "GPL-3.0-or-later"
	}
	return id
}

// readLicence reads those of a module from the files in its root.
func readLicence(folder string) (licence, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return licence{}, fmt.Errorf("looking for the licence: %w", err)
	}
	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool { return !f.Type().IsRegular() || !licenceFile.MatchString(f.Name()) })
	// What is under the Lesser GPL has the GPL beside it, of which that is a part.
	lesser := slices.ContainsFunc(files, func(f fs.DirEntry) bool { return strings.EqualFold(f.Name(), "COPYING.LESSER") })
	var found licence
	var ids []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return licence{}, fmt.Errorf("reading the licence: %w", err)
		}
		found.texts = append(found.texts, text)
		if lesser && strings.EqualFold(file.Name(), "COPYING") || !isLicence(file.Name()) {
			continue
		}
		coverage := licensecheck.Scan(text)
		if coverage.Percent < wholeFile {
			return licence{}, fmt.Errorf("%s: %w (%.0f%% of it is known)", file.Name(), errLicence, coverage.Percent)
		}
		for _, match := range coverage.Match {
			ids = append(ids, spdxName(match.ID))
		}
	}
	if len(ids) == 0 {
		return licence{}, fmt.Errorf("%s: %w", folder, errLicence)
	}
	slices.Sort(ids)
	found.id = strings.Join(slices.Compact(ids), " AND ")
	return found, nil
}

// isLicence tells licences from notices, which only are passed on.
func isLicence(file string) bool {
	name := strings.ToLower(file)
	return !strings.HasPrefix(name, "notice") && !strings.HasPrefix(name, "patents")
}
