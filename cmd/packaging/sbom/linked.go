package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// system is one that a binary is made for.
type system struct{ os, arch, cgo string }

// linkedPackage is one that the product is linked with.
type linkedPackage struct {
	ImportPath, Dir string
	GoFiles         []string
	CgoFiles        []string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// listLinked returns what is linked into the package on a system, without the
// product's own and what comes with Go. The Go command is asked, which knows the
// packages; binaries tell of modules alone.
func listLinked(ctx context.Context, r release, s system) ([]linkedPackage, error) {
	out, err := goCommandFor(ctx, r.root, s, "list", "-deps", "-json=ImportPath,Dir,GoFiles,CgoFiles,Standard,Module", r.mainPackage)
	if err != nil {
		return nil, err
	}
	var found []linkedPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linkedPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the answer of go list: %w", err)
		}
		if p.Standard || p.Module != nil && p.Module.Main {
			continue
		}
		if p.Module == nil {
			return nil, fmt.Errorf("%s is linked, and of no module", p.ImportPath)
		}
		if err := p.checkFiles(); err != nil {
			return nil, err
		}
		found = append(found, p)
	}
}

// licenceHead is how much of a file is looked at for what it is licensed under.
const licenceHead = 2 << 10

// checkFiles refuses files that say themselves that they are under the GPL: the
// licence in the root of go-ethereum tells the library from the commands, and
// which of the two is linked is to be seen in the files alone.
func (p linkedPackage) checkFiles() error {
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		head, err := readHead(name)
		if err != nil {
			return err
		}
		if bytes.Contains(head, []byte("GNU General Public License")) || bytes.Contains(head, []byte("GNU Affero")) {
			return fmt.Errorf("%s is linked, and under the GPL: %w", name, errNotPermitted)
		}
	}
	return nil
}

func readHead(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading a linked file: %w", err)
	}
	defer func() { _ = file.Close() }()
	head, err := io.ReadAll(io.LimitReader(file, licenceHead))
	if err != nil {
		return nil, fmt.Errorf("reading a linked file: %w", err)
	}
	return head, nil
}

// folders returns those of the package and above it, up to its module's, which
// may hold licences of their own.
func (p linkedPackage) folders() []string {
	var found []string
	for dir := p.Dir; strings.HasPrefix(dir, p.Module.Dir) && dir != p.Module.Dir; dir = filepath.Dir(dir) {
		found = append(found, dir)
	}
	return found
}
