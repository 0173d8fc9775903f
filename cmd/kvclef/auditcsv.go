package main

import (
	"fmt"
	"io"
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
		"policy", "explain", "repeat", "first_request", "filled",
		"ticket", "state", "ticket_hash", "quorum", "approver", "vote", "comment", "way", "credential", "public_key", "replica",
		"idempotency_key", "idempotency_request",
	}
}

// jsonAlone tells what is left to the export as JSON: what a request has in full and
// the proof of a vote, which no cell of a spreadsheet holds, the charges of a hold, of
// which explain tells, and the log before, of which note does.
func jsonAlone(member string) bool {
	return strings.HasPrefix(member, "whole_") || strings.HasPrefix(member, "hold_") || strings.HasPrefix(member, "before_") || member == "proof"
}

// csvTable makes the rows of the exported table.
type csvTable struct {
	columns []string
	places  map[string]int // of the columns, by their names
}

func newCSVTable() *csvTable {
	t := &csvTable{columns: auditColumns(), places: make(map[string]int)}
	for i, column := range t.columns {
		t.places[column] = i
	}
	return t
}

// header returns the first row.
func (t *csvTable) header() string { return csvRow(t.columns) }

// row returns the row of an entry.
func (t *csvTable) row(record audit.Record) (string, error) {
	members, err := auditMembers(record.Raw)
	if err != nil {
		return "", err
	}
	cells := make([]string, len(t.columns))
	for _, member := range members {
		if jsonAlone(member.name) {
			continue
		}
		i, ok := t.places[member.name]
		if !ok {
			return "", fmt.Errorf("the table has no column for member %s of entry %d: export as json", shown(member.name), record.Entry.Seq)
		}
		cells[i] = csvCell(member.text)
	}
	cells[t.places["value_ether"]] = etherOf(record.Entry.Value)
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
	table := newCSVTable()
	return func(record audit.Record) error {
		row, err := table.row(record)
		if err != nil {
			return err
		}
		return writeAll(w, row)
	}, writeAll(w, table.header())
}

func writeAll(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}
