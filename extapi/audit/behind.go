package audit

import "fmt"

// Journaled returns the number of the newest entry in the journal of the log at path, 0 if
// there is none. Whoever reads it before the log can tell by [Behind] what the log lacks:
// who writes the log puts each entry into it before the journal has it.
func Journaled(path string) (uint64, error) {
	journal, err := readJournal(path)
	return journal.end.seq, err
}

// Behind is the error of a log that ends with an entry although its journal, which was read
// before, has newer ones: the machine has crashed. It is nil if the log has them.
func Behind(path string, last, journaled uint64) error {
	if last >= journaled {
		return nil
	}
	return &DamageError{File: path, Seq: last + 1, Problem: fmt.Sprintf("the log ends with entry %d, and those up to %d are in its journal %s alone, as after a crash of the machine: "+
		"start the signer, which completes the log, and look again", last, journaled, path+journalSuffix)}
}
