package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/audit"
)

func (p *program) auditShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show all entries of a request and of what repeats it, with every member",
		UsageText: "kvclef audit show REQUEST-ID|SEQ [FILE] [--datadir FOLDER] [--json]",
		Description: examples(
			"the request of entry 42", "kvclef audit show 42",
			"by the id that the log and audit tail name", "kvclef audit show KSO4KXZ2TIKZUQT2HXBBGXZ7RB",
		),
		Flags:  auditFlags(jsonFlag()),
		Action: action(p.auditShow),
	}
}

func (p *program) auditShow(c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("audit show: REQUEST-ID or SEQ is missing; usage: %s", c.Command.UsageText)
	}
	path, err := auditFile(c, 1)
	if err != nil {
		return err
	}
	found, err := findEntries(c.Context, path, c.Args().First())
	for i, record := range found {
		page, pageErr := showRecord(record, c.Bool("json"))
		if pageErr != nil {
			return errors.Join(pageErr, err)
		}
		if i > 0 && !c.Bool("json") {
			page = "\n" + page
		}
		if pageErr := p.printf("%s", page); pageErr != nil {
			return pageErr
		}
	}
	if len(found) == 0 && err == nil {
		return fmt.Errorf("no entry or request %q in %s; see kvclef audit tail", c.Args().First(), path)
	}
	return err
}

func showRecord(record audit.Record, asJSON bool) (string, error) {
	if asJSON {
		return string(record.Raw) + "\n", nil
	}
	return auditPage(record)
}

// maxShown bounds the entries shown of one request, which has two, and one more
// for each repeat.
const maxShown = 100

// findEntries returns the entry with a number and all of its request, or all
// of the request with an id and of further calls that came with it, with the outcomes
// of its repeats, and before them all of the request that it repeats. At damage it
// returns what it has found and the error.
func findEntries(ctx context.Context, path, what string) ([]audit.Record, error) {
	request := what
	if seq, err := strconv.ParseUint(what, 10, 64); err == nil {
		for record, err := range audit.Entries(ctx, path, seq) {
			if err != nil || record.Entry.Seq != seq {
				return nil, auditError(err)
			}
			if record.Entry.Request == "" {
				return []audit.Record{kept(record)}, nil
			}
			request = record.Entry.Request
			break
		}
	}
	found, err := entriesOf(ctx, path, request, func(e audit.Entry) bool {
		return e.Request == request || e.First == request || further(e.Request, request)
	})
	if first := repeated(found, request); first != "" && err == nil {
		var before []audit.Record
		before, err = entriesOf(ctx, path, first, func(e audit.Entry) bool { return e.Request == first })
		found = append(before, found...)
	}
	return found, err
}

// entriesOf returns the entries that are of a request by some measure.
func entriesOf(ctx context.Context, path, request string, are func(audit.Entry) bool) ([]audit.Record, error) {
	var found []audit.Record
	for record, err := range wholeLog(ctx, path) {
		switch {
		case err != nil:
			return found, err
		case !are(record.Entry):
		case len(found) == maxShown:
			return found, fmt.Errorf("there are more entries of request %s than the %d shown: use kvclef audit export", shown(request), maxShown)
		default:
			found = append(found, kept(record))
		}
	}
	return found, nil
}

// further reports whether an id is of a further decision of a request, such as of a batch:
// its own and a number.
func further(id, request string) bool {
	number, found := strings.CutPrefix(id, request+"-")
	_, err := strconv.ParseUint(number, 10, 64)
	return found && err == nil
}

// repeated returns the request that a request repeats, "" if there is none.
func repeated(found []audit.Record, request string) string {
	for _, record := range found {
		if record.Entry.Request == request && record.Entry.First != "" {
			return record.Entry.First
		}
	}
	return ""
}

// kept returns a record that stays valid when the next one is read.
func kept(record audit.Record) audit.Record {
	record.Raw = bytes.Clone(record.Raw)
	return record
}
