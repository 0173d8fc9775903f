// Command sbom writes what a release is made of: an SPDX 2.3 document in JSON,
// and a text with the licences of all that is linked, which they ask to be
// passed on with binaries.
//
// It reads the modules from the build information in the binaries themselves,
// not from go.mod: what is listed is what is linked, platform by platform. A
// module whose licence it does not recognise, or does not know as one that the
// product may be linked with, is an error. It writes the same
// bytes for the same binaries, and never changes what it reads.
//
//	sbom -root . -version v1.0.0 -created 1790000000 -o kvclef.spdx.json -notices NOTICES.txt \
//		kvclef_1.0.0_linux_amd64.tar.gz=build/linux_amd64/kvclef …
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stderr); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(1)
	}
}

// release is what the command line asks for.
type release struct {
	root     string // folder of the product's module
	version  string
	created  time.Time
	binaries []named

	mainPackage string   // that the binaries are made of
	targets     []system // as binaries, of which there are none
}

// named is a binary, and the file in which it is shipped.
type named struct{ file, path string }

func run(ctx context.Context, args []string, stderr io.Writer) error {
	var r release
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&r.root, "root", ".", "folder of the product's module")
	flags.StringVar(&r.version, "version", "", "version of the release")
	flags.StringVar(&r.mainPackage, "package", ".", "package that the binaries are made of, below the root")
	targets := flags.String("targets", "", "OS/ARCH,…: in place of binaries, to look at the licences alone")
	created := flags.Int64("created", 0, "time of the release in seconds of Unix time")
	document := flags.String("o", "", "file for the SPDX document")
	notices := flags.String("notices", "", "file for the licences")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading the command line: %w", err)
	}
	r.created = time.Unix(*created, 0).UTC()
	for _, arg := range flags.Args() {
		file, path, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q: want FILE=BINARY", arg)
		}
		r.binaries = append(r.binaries, named{file, path})
	}
	for target := range strings.SplitSeq(*targets, ",") {
		if goos, arch, ok := strings.Cut(target, "/"); ok {
			r.targets = append(r.targets, system{goos, arch, "0"})
		} else if target != "" {
			return fmt.Errorf("%q: want OS/ARCH", target)
		}
	}
	if len(r.targets) > 0 && len(r.binaries) == 0 && *document == "" {
		return writeNotices(ctx, r, *notices)
	}
	if r.version == "" || *created <= 0 || len(r.binaries) == 0 || *document == "" && *notices == "" {
		return errors.New("need -version, -created, -o or -notices, and FILE=BINARY")
	}
	parts, err := readParts(ctx, r)
	if err != nil {
		return err
	}
	if *notices != "" {
		if err := parts.writeNotices(*notices); err != nil {
			return err
		}
	}
	if *document == "" {
		return nil
	}
	text, err := spdx(r, parts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*document, text, 0o644); err != nil { //nolint:gosec // it is published
		return fmt.Errorf("writing the SPDX document: %w", err)
	}
	return nil
}

// writeNotices looks at the licences alone, and writes them if a file is named.
func writeNotices(ctx context.Context, r release, file string) error {
	parts, err := readParts(ctx, r)
	if err != nil || file == "" {
		return err
	}
	return parts.writeNotices(file)
}

func (p parts) writeNotices(file string) error {
	if err := os.WriteFile(file, p.notices(), 0o644); err != nil { //nolint:gosec // it is published
		return fmt.Errorf("writing the licences: %w", err)
	}
	return nil
}
