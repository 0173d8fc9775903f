package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

// generate makes the document of the program that runs this test.
func generate(t *testing.T) (document, notices []byte, binary string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out, texts := filepath.Join(dir, "doc.json"), filepath.Join(dir, "notices.txt")
	err = run(t.Context(), []string{
		"-root", ".", "-version", "v1.2.3", "-created", "1790000000", "-o", out, "-notices", texts,
		"kvclef_1.2.3_one=" + binary, "kvclef_1.2.3_two=" + binary,
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, out), read(t, texts), binary
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestDocument is read by SPDX's own library, which finds no fault, and says what
// is in the binary.
func TestDocument(t *testing.T) {
	text, _, binary := generate(t)
	var doc v2_3.Document
	if err := json.ReadInto(bytes.NewReader(text), &doc); err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(&doc); err != nil {
		t.Error(err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(&doc)
	if err != nil || len(described) != 2 {
		t.Fatalf("%v, %v", described, err)
	}
	if doc.CreationInfo.Created != "2026-09-21T14:13:20Z" || !strings.HasPrefix(doc.DocumentNamespace, "https://") {
		t.Errorf("%+v, %s", doc.CreationInfo, doc.DocumentNamespace)
	}
	packages := map[common.ElementID]*v2_3.Package{}
	names := map[string]string{}
	for _, p := range doc.Packages {
		packages[p.PackageSPDXIdentifier] = p
		names[p.PackageName] = p.PackageLicenseDeclared
	}
	if len(packages) != len(doc.Packages) {
		t.Error("two packages have one identifier")
	}
	for module, licence := range map[string]string{
		"std": "BSD-3-Clause", "github.com/google/licensecheck": "BSD-3-Clause",
	} {
		if names[module] != licence {
			t.Errorf("%s: %q, want %q", module, names[module], licence)
		}
	}
	digest := sha256.Sum256(read(t, binary))
	sum := packages[described[0]].PackageChecksums
	if len(sum) != 1 || sum[0].Value != hex.EncodeToString(digest[:]) {
		t.Errorf("%v", sum)
	}
	depends := 0
	for _, r := range doc.Relationships {
		if packages[r.RefB.ElementRefID] == nil {
			t.Errorf("%s is not in the document", r.RefB.ElementRefID)
		}
		if r.Relationship == common.TypeRelationshipDependsOn && r.RefA.ElementRefID == described[0] {
			depends++
		}
	}
	if depends != len(doc.Packages)-2 {
		t.Errorf("it depends on %d of %d", depends, len(doc.Packages)-2)
	}
}

// TestSameBytes for the same binaries, and the licences are passed on.
func TestSameBytes(t *testing.T) {
	first, notices, _ := generate(t)
	second, again, _ := generate(t)
	if !bytes.Equal(first, second) || !bytes.Equal(notices, again) {
		t.Error("they differ")
	}
	for _, want := range []string{"github.com/google/licensecheck v0.3.1: BSD-3-Clause", "Copyright (c) 2019 The Go Authors", "std 1."} {
		if !bytes.Contains(notices, []byte(want)) {
			t.Errorf("there is no %q", want)
		}
	}
}

// TestLicences of folders as modules have them.
func TestLicences(t *testing.T) {
	mit := string(read(t, "testdata/mit.txt"))
	gpl := "Licensed under the GPL, version 3. " + `This program is free software: you can redistribute it and/or modify
it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the
License, or (at your option) any later version. This program is distributed in the hope that it will be useful, but WITHOUT ANY
WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public
License for more details. You should have received a copy of the GNU General Public License along with this program. If not, see
<https://www.gnu.org/licenses/>.`
	for name, c := range map[string]struct {
		files map[string]string
		below string
		want  string
		err   string
	}{
		"one":             {files: map[string]string{"LICENSE": mit}, want: "MIT"},
		"two, one read":   {files: map[string]string{"LICENSE.md": mit, "NOTICE": "Copyright Somebody"}, want: "MIT"},
		"another's":       {files: map[string]string{"LICENSE": "You may use this on Sundays."}, err: "not recognised"},
		"none":            {files: map[string]string{"README": mit}, err: "not recognised"},
		"mostly its own":  {files: map[string]string{"LICENCE": mit + strings.Repeat("But not for money, and not by those whom I do not like. ", 90)}, err: "not recognised"},
		"a folder":        {files: map[string]string{"LICENSE/MIT": mit}, err: "not recognised"},
		"not permitted":   {files: map[string]string{"LICENSE": gpl}, err: "may not be linked"},
		"a part's":        {files: map[string]string{"LICENSE": mit, "part/LICENSE_LUCENE": "You may use this on Sundays."}, below: "part", err: "not recognised"},
		"a part's GPL":    {files: map[string]string{"LICENSE": mit, "part/COPYING": gpl}, below: "part", err: "may not be linked"},
		"a part without":  {files: map[string]string{"LICENSE": mit, "part/x.go": ""}, below: "part", want: "MIT"},
		"a part's alone":  {files: map[string]string{"part/LICENSE": mit}, below: "part", err: "not recognised"},
		"in another case": {files: map[string]string{"license.txt": mit}, want: "MIT"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var below []string
			if c.below != "" {
				below = append(below, filepath.Join(dir, c.below))
			}
			got, err := readLicence(dir, below...)
			if c.err == "" && (err != nil || got.id != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%q, %v", got.id, err)
			}
		})
	}
}

// TestLinked is what the product's licences are checked by: the modules of a
// system, without a binary, and the files that say themselves that they are GPL.
func TestLinked(t *testing.T) {
	out := filepath.Join(t.TempDir(), "notices.txt")
	if err := run(t.Context(), []string{"-targets", "linux/amd64,windows/arm64", "-notices", out}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if text := string(read(t, out)); !strings.Contains(text, "github.com/google/licensecheck v0.3.1: BSD-3-Clause") || strings.Contains(text, "spdx/tools-golang") {
		t.Error("what is linked and what only tests need are not told apart")
	}
	dir := t.TempDir()
	for text, bad := range map[string]bool{
		"// under the terms of the GNU Lesser General Public License": false,
		"// under the terms of the GNU General Public License":        true,
	} {
		if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := (linkedPackage{Dir: dir, GoFiles: []string{"x.go"}}).checkFiles(); (err != nil) != bad {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestUsage of what can't be meant.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"-version", "v1"},
		{"-version", "v1", "-created", "1", "-o", "x", "binary"},
		{"-version", "v1", "-created", "1", "a=b"},
		{"-nonsense"},
		{"-targets", "linux"},
		{"-version", "v1", "-created", "1", "-o", filepath.Join(t.TempDir(), "x"), "a=sbom_test.go"},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%v is accepted", slices.Clone(args))
		}
	}
}
