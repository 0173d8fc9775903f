package memory_test

import (
	"testing"

	"github.com/kvclef/kvclef/rules/store/memory"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

func TestShared(t *testing.T) {
	storetest.TestShared(t, func(*testing.T) (one, other storetest.SharedRecords) {
		records := memory.NewRecords()
		return records, records
	})
}
