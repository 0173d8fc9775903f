package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/audit"
)

// The forms of an export.
const (
	formatJSON = "json"
	formatCSV  = "csv"
)

func (p *program) auditExportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write verified entries as JSON lines or as a table",
		UsageText: "kvclef audit export [FILE] [--datadir FOLDER] [--from TIME|SEQ] [--to TIME|SEQ] [--format json|csv] [-o FILE]",
		Description: examples(
			"a month as a table", "kvclef audit export --from 2026-11-01 --to 2026-12-01 --format csv -o november.csv",
			"entries 100 to 200 as they stand in the log", "kvclef audit export --from 100 --to 200",
		) + "\n\nThe chain is verified from its first entry, whatever is chosen of it. At damage the export ends after what" +
			"\nis sound, with exit code 1. TIME is a day or RFC 3339, and days begin at 00:00 UTC: from TIME on, and up to" +
			"\nbut not including TIME. A SEQ is included at both ends. A line of json is the line of the log, byte for" +
			"\nbyte. In csv, an apostrophe stands before what a spreadsheet would take for a formula.",
		Flags: auditFlags(
			&cli.StringFlag{Name: "from", Usage: "first `TIME|SEQ` to write", DefaultText: "the first"},
			&cli.StringFlag{Name: "to", Usage: "last `TIME|SEQ` to write", DefaultText: "the last"},
			&cli.StringFlag{Name: "format", Usage: "`FORMAT`: json or csv", DefaultText: formatJSON, Value: formatJSON},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "new `FILE` to write", DefaultText: "the standard output"},
		),
		Action: action(p.auditExport),
	}
}

func (p *program) auditExport(c *cli.Context) error {
	path, err := auditFile(c, 0)
	if err != nil {
		return err
	}
	within, err := rangeOf(c)
	if err != nil {
		return err
	}
	format := c.String("format")
	if format != formatJSON && format != formatCSV {
		return usagef("--format: %q is neither json nor csv", format)
	}
	name := c.String("output")
	if name == "" {
		return export(c.Context, p.stdout, path, format, within)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usagef("--output: %s exists, and is not overwritten: name another file or remove it", name)
	}
	if err != nil {
		return usagef("--output: %w", err)
	}
	return errors.Join(export(c.Context, f, path, format, within), f.Sync(), f.Close())
}

// export writes the entries of a range, in order, up to the first damage.
func export(ctx context.Context, w io.Writer, path, format string, within auditRange) error {
	buffer := bufio.NewWriterSize(w, 1<<16)
	err := exportEntries(ctx, buffer, path, format, within)
	if flushErr := buffer.Flush(); flushErr != nil && err == nil {
		return fmt.Errorf("writing the export: %w", flushErr)
	}
	return err
}

func exportEntries(ctx context.Context, w io.Writer, path, format string, within auditRange) error {
	write, err := newEntryWriter(w, format)
	if err != nil {
		return err
	}
	written := 0
	for record, err := range wholeLog(ctx, path) {
		if err != nil {
			return fmt.Errorf("the export ends here, after %d sound entries: %w", written, err)
		}
		if !within.holds(record.Entry) {
			continue
		}
		if err := write(record); err != nil {
			return err
		}
		written++
	}
	return nil
}

// auditRange is which entries are wanted.
type auditRange struct {
	from, to auditBound
}

// rangeOf reads the flags from and to.
func rangeOf(c *cli.Context) (within auditRange, err error) {
	if within.from, err = parseBound("from", c.String("from")); err != nil {
		return within, err
	}
	within.to, err = parseBound("to", c.String("to"))
	return within, err
}

// auditBound is an end of a range: an entry, else a time, else none.
type auditBound struct {
	seq  uint64
	time time.Time
}

// holds reports whether an entry is within the range.
func (r auditRange) holds(e audit.Entry) bool {
	after := e.Seq >= r.from.seq && !e.Time.Before(r.from.time)
	before := (r.to.seq == 0 || e.Seq <= r.to.seq) && (r.to.time.IsZero() || e.Time.Before(r.to.time))
	return after && before
}

// parseBound reads an end of a range: a number, a day or a time.
func parseBound(flag, text string) (auditBound, error) {
	if text == "" {
		return auditBound{}, nil
	}
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil && seq > 0 {
		return auditBound{seq: seq}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return auditBound{time: at}, nil
		}
	}
	return auditBound{}, usagef("--%s: %q is neither an entry's number from 1, nor a day such as 2026-11-25, nor a time such as 2026-11-25T14:00:00Z", flag, text)
}
