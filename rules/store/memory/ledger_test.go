package memory_test

import (
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/store/memory"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

func newLedger(_ *testing.T, clock func() time.Time) storetest.Ledger { return memory.NewLedger(clock) }

func TestLedger(t *testing.T)      { storetest.TestLedger(t, newLedger) }
func TestLedgerModel(t *testing.T) { storetest.TestLedgerModel(t, newLedger) }
