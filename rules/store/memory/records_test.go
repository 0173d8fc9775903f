package memory_test

import (
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

func newRecords(*testing.T) rules.Records { return memory.NewRecords() }

func TestRecords(t *testing.T)      { storetest.TestRecords(t, newRecords) }
func TestRecordsModel(t *testing.T) { storetest.TestRecordsModel(t, newRecords) }

func TestRecordBounds(t *testing.T) {
	storetest.TestRecordBounds(t, func(_ *testing.T, records, bytes int) rules.Records {
		return memory.NewBoundedRecords(records, bytes)
	})
}
