package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
)

// seen is what a check found sound besides the vaults: what kvclef serve would start with.
// A nil *seen takes nothing.
type seen struct {
	DataDir  string     `json:"data_dir,omitempty"`
	State    string     `json:"state,omitempty"`
	AuditLog string     `json:"audit_log,omitempty"`
	Files    []seenFile `json:"files,omitempty"`
}

// seenFile is a policy or a rule file, as it was attested.
type seenFile struct {
	Kind     string    `json:"kind"`
	File     string    `json:"file"`
	SHA256   string    `json:"sha256"`
	Attested time.Time `json:"attested"`
	Key      string    `json:"attest_key,omitempty"` // that signed the attestation
}

// file adds one of which an attestation was found good, or the check fails.
func (s *seen) file(file rulesFile, attestation *rules.Attestation) {
	if s == nil {
		return
	}
	f := seenFile{Kind: file.kind.String(), File: datadir.Absolute(file.path), SHA256: fmt.Sprintf("%x", file.sha256), Attested: attestation.Time.UTC()}
	if attestation.Key != nil {
		f.Key = attestation.Key.Hex()
	}
	s.Files = append(s.Files, f)
}

// places adds where a signer keeps things.
func (s *seen) places(cfg *config.Config, path string) error {
	if path != "" {
		dir, err := datadir.Find(path)
		if err != nil {
			return err
		}
		s.DataDir, s.State = datadir.Absolute(dir.Path()), datadir.Absolute(dir.Store())
		if cfg.Store.Postgres.Enabled() {
			s.State = databasePlace(cfg)
		}
		s.AuditLog = dir.AuditLog()
	}
	if cfg.Audit.File != "" {
		record, err := auditPath(cfg, datadir.Dir{})
		if err != nil {
			return err
		}
		s.AuditLog = record
	}
	if s.AuditLog != "" {
		s.AuditLog = datadir.Absolute(s.AuditLog)
	}
	return nil
}

func (s *seen) print(b *strings.Builder) {
	for _, f := range s.Files {
		signed := "not signed"
		if f.Key != "" {
			signed = "signed by " + f.Key
		}
		fmt.Fprintf(b, "%s %s\n  SHA-256  %s\n  attested %s, %s\n", f.Kind, f.File, f.SHA256, shownTime(f.Attested), signed)
	}
	for _, place := range []struct{ name, path string }{{"data directory", s.DataDir}, {"state", s.State}, {"audit log", s.AuditLog}} {
		if place.path != "" {
			fmt.Fprintf(b, "%s %s\n", place.name, place.path)
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
}
