package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// standardLibrary is the module path of what comes with Go.
const standardLibrary = "std"

// part is a module at a version, as the build information names it.
type part struct {
	path, version string
	licence       licence
}

// parts are those of all binaries, sorted, and which of them is in which.
type parts struct {
	all []part
	in  map[string][]part // by the file that is shipped
}

// readParts returns what the binaries, and those of the targets, are made of,
// without the product itself.
func readParts(ctx context.Context, r release) (parts, error) {
	found := parts{in: map[string][]part{}}
	systems := slices.Clone(r.targets)
	for _, binary := range r.binaries {
		info, err := buildinfo.ReadFile(binary.path)
		if err != nil {
			return parts{}, fmt.Errorf("reading the build information: %w", err)
		}
		linked := []part{{path: standardLibrary, version: strings.TrimPrefix(strings.Fields(info.GoVersion)[0], "go")}}
		for _, module := range info.Deps {
			if module.Replace != nil {
				return parts{}, fmt.Errorf("%s: %s is replaced: a release is made of published modules alone", binary.path, module.Path)
			}
			linked = append(linked, part{path: module.Path, version: module.Version})
		}
		found.in[binary.file] = linked
		found.all = append(found.all, linked...)
		systems = append(systems, systemOf(info))
	}
	inside := map[string][]string{} // folders of linked packages, by module
	for _, s := range systems {
		packages, err := listLinked(ctx, r, s)
		if err != nil {
			return parts{}, err
		}
		for _, p := range packages {
			inside[p.Module.Path+"@"+p.Module.Version] = append(inside[p.Module.Path+"@"+p.Module.Version], p.folders()...)
			if slices.Contains(r.targets, s) {
				found.all = append(found.all, part{path: p.Module.Path, version: p.Module.Version})
			}
		}
	}
	byPath := func(a, b part) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.version, b.version))
	}
	slices.SortFunc(found.all, byPath)
	found.all = slices.CompactFunc(found.all, func(a, b part) bool { return byPath(a, b) == 0 })
	folders, err := moduleFolders(ctx, r.root, found.all)
	if err != nil {
		return parts{}, err
	}
	for i, p := range found.all {
		name := p.path + "@" + p.version
		below := slices.Sorted(slices.Values(inside[name]))
		if found.all[i].licence, err = readLicence(folders[name], slices.Compact(below)...); err != nil {
			return parts{}, fmt.Errorf("%s %s: %w", p.path, p.version, err)
		}
	}
	return found, nil
}

// systemOf is the one that a binary is made for.
func systemOf(info *buildinfo.BuildInfo) system {
	var s system
	for _, setting := range info.Settings {
		switch setting.Key {
		case "GOOS":
			s.os = setting.Value
		case "GOARCH":
			s.arch = setting.Value
		case "CGO_ENABLED":
			s.cgo = setting.Value
		}
	}
	return s
}

// moduleFolders returns where the sources are, which the Go command has checked
// against go.sum.
func moduleFolders(ctx context.Context, root string, all []part) (map[string]string, error) {
	goroot, err := goCommand(ctx, root, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	args := []string{"mod", "download", "-json"}
	for _, p := range all {
		if name := p.path + "@" + p.version; p.path == standardLibrary {
			folders[name] = strings.TrimSpace(string(goroot))
		} else {
			args = append(args, name)
		}
	}
	if len(args) == 3 {
		return folders, nil // without arguments it would download everything
	}
	out, err := goCommand(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var module struct{ Path, Version, Dir, Error string }
		if err := decoder.Decode(&module); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the answer of go mod download: %w", err)
		}
		if module.Error != "" {
			return nil, fmt.Errorf("%s@%s: %s", module.Path, module.Version, module.Error)
		}
		folders[module.Path+"@"+module.Version] = filepath.Clean(module.Dir)
	}
}

func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return goCommandFor(ctx, dir, system{}, args...)
}

// goCommandFor runs the Go command as if it built for a system.
func goCommandFor(ctx context.Context, dir string, s system, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the modules of a binary of ours
	command.Dir = dir
	command.Stderr = os.Stderr
	if s.os != "" {
		command.Env = append(os.Environ(), "GOOS="+s.os, "GOARCH="+s.arch, "CGO_ENABLED="+s.cgo)
	}
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("running go %s: %w", args[0], err)
	}
	return out, nil
}

// notices returns the licences of all parts, each under its part's name.
func (p parts) notices() []byte {
	var b bytes.Buffer
	b.WriteString("kvclef is licensed under the Apache License 2.0, see LICENSE. It is linked with the\n" +
		"modules below, each under its own licence.\n")
	for _, part := range p.all {
		fmt.Fprintf(&b, "\n%s\n%s %s: %s\n", strings.Repeat("=", 78), part.path, part.version, part.licence.id)
		for _, text := range part.licence.texts {
			fmt.Fprintf(&b, "%s\n\n%s\n", strings.Repeat("-", 78), bytes.TrimSpace(text))
		}
	}
	return b.Bytes()
}
