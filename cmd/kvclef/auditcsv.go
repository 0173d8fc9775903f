package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/extapi/audit"
)

// auditColumns are the columns of the exported table, named after the members
// of an entry. value is in wei; value_ether is the same amount. A release may
// add columns at the end, and removes none.
func auditColumns() []string {
	return []string{
		"seq", "time", "event", "request", "principal", "transport", "remote", "method", "kind", "account", "vault", "key", "key_version",
		"chain_id", "nonce", "to", "value", "value_ether", "selector", "call", "data_bytes", "data_hash", "data_excerpt", "content_type",
		"digest", "listed", "verdict", "rule", "reason", "outcome", "released", "vault_request", "signature_hash", "micros", "error", "note",
		"checkpoint_seq", "checkpoint_head", "checkpoint_time", "checkpoint_key", "checkpoint_signature", "prev", "hash",
	}
}

// csvHeader returns the first row of the table.
func csvHeader() string { return csvRow(auditColumns()) }

// csvEntry returns the row of an entry.
func csvEntry(record audit.Record) (string, error) {
	members, err := auditMembers(record.Raw)
	if err != nil {
		return "", err
	}
	columns := auditColumns()
	cells := make([]string, len(columns))
	for _, member := range members {
		i := slices.Index(columns, member.name)
		if i < 0 {
			return "", fmt.Errorf("the table has no column for member %s of entry %d: export as json", shown(member.name), record.Entry.Seq)
		}
		cells[i] = csvCell(member.text)
	}
	cells[slices.Index(columns, "value_ether")] = etherOf(record.Entry.Value)
	return csvRow(cells), nil
}

// csvCell makes a text harmless for what opens tables: on one line, and never a
// formula. Callers choose some texts, and spreadsheets calculate what begins
// with one of =+-@; a leading apostrophe marks it as text.
func csvCell(text string) string {
	text = shown(text)
	if strings.IndexAny(strings.TrimLeft(text, ` '"`), "=+-@＝＋－＠") == 0 {
		return "'" + text
	}
	return text
}

// csvRow returns a row in the form of RFC 4180, every cell in quotes, so that a
// text can't be taken for two whatever separates cells.
func csvRow(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(cell, `"`, `""`))
		b.WriteByte('"')
	}
	b.WriteString("\r\n")
	return b.String()
}

// entryWriter writes entries in one form of the export.
type entryWriter func(audit.Record) error

// newEntryWriter returns what writes to w, after a header if the form has one.
func newEntryWriter(w io.Writer, format string) (entryWriter, error) {
	if format == formatJSON {
		return func(record audit.Record) error { return writeAll(w, string(record.Raw)+"\n") }, nil
	}
	return func(record audit.Record) error {
		row, err := csvEntry(record)
		if err != nil {
			return err
		}
		return writeAll(w, row)
	}, writeAll(w, csvHeader())
}

func writeAll(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}
