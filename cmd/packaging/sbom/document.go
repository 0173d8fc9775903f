package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The parts of SPDX 2.3 that are used here.
type (
	document struct {
		SPDXVersion       string         `json:"spdxVersion"`
		DataLicense       string         `json:"dataLicense"`
		SPDXID            string         `json:"SPDXID"`
		Name              string         `json:"name"`
		DocumentNamespace string         `json:"documentNamespace"`
		CreationInfo      creationInfo   `json:"creationInfo"`
		Packages          []spdxPackage  `json:"packages"`
		Relationships     []relationship `json:"relationships"`
	}
	creationInfo struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		Name             string        `json:"name"`
		SPDXID           string        `json:"SPDXID"`
		VersionInfo      string        `json:"versionInfo"`
		PackageFileName  string        `json:"packageFileName,omitempty"`
		DownloadLocation string        `json:"downloadLocation"`
		FilesAnalyzed    bool          `json:"filesAnalyzed"`
		Checksums        []checksum    `json:"checksums,omitempty"`
		LicenseConcluded string        `json:"licenseConcluded"`
		LicenseDeclared  string        `json:"licenseDeclared"`
		CopyrightText    string        `json:"copyrightText"`
		Purpose          string        `json:"primaryPackagePurpose"`
		ExternalRefs     []externalRef `json:"externalRefs,omitempty"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	externalRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
)

const (
	noAssertion = "NOASSERTION"
	documentID  = "SPDXRef-DOCUMENT"
	project     = "https://github.com/kvclef/kvclef"
)

// spdx returns the document: a package for each file that is shipped, with the
// digest of the binary in it, and one for each module, which they depend on.
func spdx(r release, made parts) ([]byte, error) {
	doc := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: documentID,
		Name: "kvclef " + r.version,
		CreationInfo: creationInfo{
			Created:  r.created.Format(time.RFC3339),
			Creators: []string{"Organization: kvclef", "Tool: kvclef-sbom"},
		},
	}
	for _, binary := range r.binaries {
		shipped, err := shippedPackage(r, binary)
		if err != nil {
			return nil, err
		}
		doc.Packages = append(doc.Packages, shipped)
		doc.Relationships = append(doc.Relationships, relationship{documentID, "DESCRIBES", shipped.SPDXID})
		for _, module := range made.in[binary.file] {
			doc.Relationships = append(doc.Relationships, relationship{shipped.SPDXID, "DEPENDS_ON", module.id()})
		}
	}
	for _, module := range made.all {
		doc.Packages = append(doc.Packages, module.spdxPackage())
	}
	content, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encoding the SPDX document: %w", err)
	}
	digest := sha256.Sum256(content) // another document has another name
	doc.DocumentNamespace = project + "/sbom/" + r.version + "-" + hex.EncodeToString(digest[:8])
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the SPDX document: %w", err)
	}
	return append(text, '\n'), nil
}

func shippedPackage(r release, binary named) (spdxPackage, error) {
	content, err := os.ReadFile(binary.path)
	if err != nil {
		return spdxPackage{}, fmt.Errorf("reading the binary: %w", err)
	}
	digest := sha256.Sum256(content)
	return spdxPackage{
		Name: "kvclef", SPDXID: reference("Shipped", binary.file), VersionInfo: r.version,
		PackageFileName:  binary.file + "/" + filepath.Base(binary.path),
		DownloadLocation: noAssertion,
		Checksums:        []checksum{{"SHA256", hex.EncodeToString(digest[:])}},
		LicenseConcluded: "Apache-2.0", LicenseDeclared: "Apache-2.0", CopyrightText: noAssertion,
		Purpose:      "APPLICATION",
		ExternalRefs: []externalRef{purl("github.com/kvclef/kvclef", r.version)},
	}, nil
}

func (p part) id() string { return reference("Module", p.path+"-"+p.version) }

func (p part) spdxPackage() spdxPackage {
	location := "https://go.dev/dl/go" + p.version + ".src.tar.gz"
	if p.path != standardLibrary {
		location = noAssertion
	}
	return spdxPackage{
		Name: p.path, SPDXID: p.id(), VersionInfo: p.version, DownloadLocation: location,
		LicenseConcluded: p.licence.id, LicenseDeclared: p.licence.id, CopyrightText: noAssertion,
		Purpose: "LIBRARY", ExternalRefs: []externalRef{purl(p.path, p.version)},
	}
}

// purl is the name by which scanners know a module.
func purl(path, version string) externalRef {
	version = strings.ReplaceAll(version, "+", "%2B")
	return externalRef{"PACKAGE-MANAGER", "purl", "pkg:golang/" + strings.ToLower(path) + "@" + version}
}

// reference is an identifier of SPDX: letters, digits, dots and dashes.
func reference(kind, name string) string {
	return "SPDXRef-" + kind + "-" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, name)
}
