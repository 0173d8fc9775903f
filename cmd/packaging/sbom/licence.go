package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

// permitted are the licences of what may be linked into a binary of kvclef, which
// is under Apache-2.0 itself. The LGPL asks that a recipient can build it with a
// changed library, which the public source allows. The GPL is not among them.
var permitted = []string{
	"Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-Views", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC", "LGPL-3.0-or-later", "MIT", "MPL-2.0", "Unlicense",
}

var errNotPermitted = errors.New("a binary of kvclef may not be linked with it")

var errLicence = errors.New("the licence is not recognised: read it, and add what is missing to the list in licence.go")

// wholeFile is the part of a file, in percent, that must be the text of
// licences for these to count: the rest are names of authors.
const wholeFile = 75

// licenceFile matches the files that say what a module may be used for. PATENTS
// goes with the licence of Go.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([._-](md|txt|lucene|v8|rst|lesser|code|docs|mit|apache|apache-2\.0|bsd))?$`)

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

// readLicence reads those of a module from the files in its root, and in the
// folders of packages that are linked: parts of it may be somebody else's.
func readLicence(root string, below ...string) (licence, error) {
	var found licence
	var ids []string
	for _, folder := range append([]string{root}, below...) {
		more, err := found.read(folder)
		if err != nil {
			return licence{}, err
		}
		if ids = append(ids, more...); len(ids) == 0 {
			return licence{}, fmt.Errorf("%s: %w", root, errLicence)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		if !slices.Contains(permitted, id) {
			return licence{}, fmt.Errorf("it is under %s: %w", id, errNotPermitted)
		}
	}
	found.id = strings.Join(ids, " AND ")
	return found, nil
}

// read adds the texts in one folder, and returns the names of their licences.
func (l *licence) read(folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("looking for the licence: %w", err)
	}
	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool { return !f.Type().IsRegular() || !licenceFile.MatchString(f.Name()) })
	// What is under the Lesser GPL has the GPL beside it, of which that is a part.
	lesser := slices.ContainsFunc(files, func(f fs.DirEntry) bool { return strings.EqualFold(f.Name(), "COPYING.LESSER") })
	var ids []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the licence: %w", err)
		}
		l.texts = append(l.texts, text)
		if lesser && strings.EqualFold(file.Name(), "COPYING") || !isLicence(file.Name()) {
			continue
		}
		names, err := identify(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(folder, file.Name()), err)
		}
		ids = append(ids, names...)
	}
	return ids, nil
}

// knownTexts are licences that licensecheck does not know, by the SHA-256 of their
// words with single spaces.
func knownTexts() map[string]string {
	return map[string]string{
		// Lucent's, of the printing of floating-point numbers in goja.
		"90992a65df976f3bd9e9287322c447ac49acf912ad09cb517620f295789d1da2": "HPND",
	}
}

// identify returns the names of the licences that a text is made of.
func identify(text []byte) ([]string, error) {
	words := sha256.Sum256(bytes.Join(bytes.Fields(text), []byte(" ")))
	if id, ok := knownTexts()[hex.EncodeToString(words[:])]; ok {
		return []string{id}, nil
	}
	coverage := licensecheck.Scan(text)
	if coverage.Percent < wholeFile {
		return nil, fmt.Errorf("%w (%.0f%% of it is known)", errLicence, coverage.Percent)
	}
	var ids []string
	for _, match := range coverage.Match {
		ids = append(ids, spdxName(match.ID))
	}
	return ids, nil
}

// isLicence tells licences from notices, which only are passed on.
func isLicence(file string) bool {
	name := strings.ToLower(file)
	return !strings.HasPrefix(name, "notice") && !strings.HasPrefix(name, "patents")
}
