package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/clefdir"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// maxSelectors bounds the file of method selectors, in bytes.
const maxSelectors = 16 << 20

// clefPlan is what Clef keeps, and what is to become of it.
type clefPlan struct {
	dry bool

	// What was found.
	from      string // Clef's configuration directory
	vault     string // the folder of the master seed in it
	attested  string // SHA-256 of the rule file, as it was given to Clef
	values    map[string]string
	passwords []common.Address
	keys      []clefdir.KeyFile

	// What is to be written.
	chains      []uint64
	dir         string             // absolute
	attestation *rules.Attestation // nil: none is carried over
	unattested  string             // why none is
	rules       string             // absolute path of the rule file; "": none
	selectors   []byte             // of the custom file; nil: none
	selectorsOf string             // its path
	configPath  string             // absolute
	config      []byte
	configKept  bool      // there is another, which is left as it is
	before      *imported // nil: it is the first import, or as good as that

	// Of another import.
	replaced *store.Summary // what was carried over before, and is replaced; nil: nothing is
	wentOn   bool           // Clef keeps something else by now, and so may the signer
}

// planClef decides what is to be written, and checks that it can be.
func (p *program) planClef(c *cli.Context, plan *clefPlan) (err error) {
	if plan.chains, err = p.askChainIDs(c.Context, c); err != nil {
		return err
	}
	path, err := expandHome(c.String("datadir"), "datadir")
	if err == nil && path == "" {
		path, err = expandHome("~/.kvclef", "datadir")
	}
	if err == nil {
		plan.dir, err = filepath.Abs(path)
	}
	if err != nil {
		return err
	}
	if err := plan.readRules(c); err != nil {
		return err
	}
	if err := plan.readSelectors(c); err != nil {
		return err
	}
	if err := plan.checkBounds(); err != nil {
		return err
	}
	if err := plan.checkTarget(c); err != nil {
		return err
	}
	return plan.writeConfig(c)
}

// readRules decides about the attestation: it is carried over for the very file
// that was attested.
func (plan *clefPlan) readRules(c *cli.Context) error {
	path := c.String("rules")
	hash, known := parseAttested(plan.attested)
	switch {
	case plan.attested == "":
		plan.unattested = "Clef has attested no rule file"
	case !known:
		plan.unattested = fmt.Sprintf("what was given to clef attest, %q, is no SHA-256: Clef had its rules turned off", shorten(plan.attested))
	case path == "":
		plan.unattested = fmt.Sprintf("give --rules FILE with the rule file, whose SHA-256 is %x", hash)
	}
	if path == "" {
		return nil
	}
	file, err := readRules(rules.RuleFile, path)
	if err != nil {
		return err
	}
	if plan.rules, err = filepath.Abs(path); err != nil {
		return err
	}
	switch {
	case plan.unattested != "":
	case file.sha256 != hash:
		plan.unattested = fmt.Sprintf("%s is not the file that Clef attested: its SHA-256 is %x, that of the other %x", path, file.sha256, hash)
	default:
		if err := file.loads(c.Context, config.Default()); err != nil {
			plan.unattested = fmt.Sprintf("%s does not load here: %v", path, err)
			return nil
		}
		plan.attestation = &rules.Attestation{Kind: rules.RuleFile, SHA256: file.sha256, File: plan.rules, Time: attestTime()}
	}
	return nil
}

// parseAttested reads an attested hash as Clef compares it: 64 digits in lower
// case. It keeps any other text, and never finds a file that has it.
func parseAttested(text string) (common.Hash, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != common.HashLength || text != strings.ToLower(text) {
		return common.Hash{}, false
	}
	return common.BytesToHash(raw), true
}

// readSelectors reads the file of method selectors: the one that is named, or
// that is in Clef's directory.
func (plan *clefPlan) readSelectors(c *cli.Context) error {
	path := c.String("4bytedb-custom")
	if path == "" {
		path = filepath.Join(plan.from, fourByteName)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	raw, _, err := config.ReadOrdinary(path, maxSelectors)
	if err != nil {
		return usagef("reading method selectors: %w", err)
	}
	if err := extapi.CheckSelectors(raw); err != nil {
		return usagef("reading method selectors: %s: %w; correct it, or name another by --4bytedb-custom", path, err)
	}
	plan.selectors, plan.selectorsOf = raw, path
	return nil
}

// checkBounds finds values that the store does not take before anything is
// written.
func (plan *clefPlan) checkBounds() error {
	total := 0
	for name, value := range plan.values {
		if len(name) > bolt.MaxKey || len(value) > bolt.MaxValue {
			return usagef("the rule file keeps %d bytes under a name of %d bytes, %q: here a value has at most %d bytes and a name %d; "+
				"let the rule file keep less, in Clef, and import again", len(value), len(name), shorten(name), bolt.MaxValue, bolt.MaxKey)
		}
		total += len(name) + len(value)
	}
	if len(plan.values) > bolt.MaxKeys || total > bolt.MaxBytes {
		return usagef("the rule file keeps %d values with %d bytes: here there may be %d with %d; let the rule file keep less, in Clef, and import again",
			len(plan.values), total, bolt.MaxKeys, bolt.MaxBytes)
	}
	return nil
}

// checkTarget makes sure that nothing of another signer is overwritten.
func (plan *clefPlan) checkTarget(c *cli.Context) error {
	if same, err := inside(plan.dir, plan.from); err != nil {
		return err
	} else if same {
		return usagef("the data directory %s is in Clef's %s, where nothing is changed: give another --datadir", plan.dir, plan.from)
	}
	dir, err := datadir.Open(plan.dir)
	if _, missing := os.Lstat(plan.dir); errors.Is(missing, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return &usageError{err}
	}
	if _, err := admin.Connect(c.Context, dir.AdminSocket()); err == nil {
		return usagef("a signer runs on %s: stop it first, or give another --datadir", plan.dir)
	}
	if existing, err := os.ReadFile(filepath.Join(plan.dir, fourByteName)); err == nil && plan.selectors != nil && !bytes.Equal(existing, plan.selectors) {
		return usagef("%s is there already, and another than %s: remove one of them, or give another --datadir", filepath.Join(plan.dir, fourByteName), plan.selectorsOf)
	}
	found, err := bolt.Inspect(c.Context, dir.Store(), time.Now(), true)
	if errors.Is(err, bolt.ErrMissing) {
		return nil
	}
	if err := stateError(err); err != nil {
		return err
	}
	if err := plan.fits(found); err != nil || plan.before == nil {
		return err
	}
	return plan.again(dir, found)
}

// fits reports whether a store is empty, was filled from the same seed before, or
// half by an import that was interrupted. Any other has a history that an import
// would mix up.
func (plan *clefPlan) fits(found *bolt.Summary) error {
	other := func(what string) error {
		return usagef("the state in %s is not empty: %s; an import fills an empty one alone: give another --datadir", plan.dir, what)
	}
	if raw, ok := found.RecordValues[importRecord]; ok {
		var before imported
		if err := json.Unmarshal([]byte(raw), &before); err != nil || before.Folder != filepath.Base(plan.vault) {
			return other("it was filled from another directory of Clef")
		}
		plan.before = &before
		plan.keepAttestation(found.Attestation)
		return nil // what a signer did since is left alone
	}
	switch at := found.Attestation; {
	case len(found.Records) > 0:
		return other(fmt.Sprintf("it holds records of %q", found.Records[0].Kind))
	case len(found.Counters) > 0 || len(found.Holds) > 0:
		return other("something was spent of limits")
	case at != nil && plan.attestation != nil && at.SHA256 != plan.attestation.SHA256:
		return other(fmt.Sprintf("a rule file with the SHA-256 %x is attested, which is not Clef's", at.SHA256))
	}
	for name, value := range found.Values {
		if plan.values[name] != value {
			return other(fmt.Sprintf("a rule file keeps %q there, which Clef's does not, or otherwise", shorten(name)))
		}
	}
	return nil
}

// keepAttestation leaves an attestation that was made after an import.
func (plan *clefPlan) keepAttestation(at *rules.Attestation) {
	if at != nil && plan.attestation != nil && at.SHA256 != plan.attestation.SHA256 {
		plan.attestation = nil
		plan.unattested = fmt.Sprintf("another file was attested here since, with the SHA-256 %x", at.SHA256)
	}
}

// inside reports whether a path is a folder or below it, whatever links lead
// there.
func inside(path, folder string) (bool, error) {
	outer, err := filepath.EvalSymlinks(folder)
	if err == nil {
		outer, err = filepath.Abs(outer)
	}
	if err != nil {
		return false, err
	}
	// What is missing has no links.
	rest := ""
	for {
		found, err := filepath.EvalSymlinks(path)
		if err == nil {
			path = filepath.Join(found, rest)
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
			return false, err
		}
		rest = filepath.Join(filepath.Base(path), rest)
		path = filepath.Dir(path)
	}
	relative, err := filepath.Rel(outer, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator)), nil
}

// shorten makes a text of Clef fit into a line.
func shorten(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
