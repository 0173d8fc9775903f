package policysuggest_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
)

// BenchmarkMake drafts from a log of many requests of a few sorts: nanoseconds
// and bytes for each.
func BenchmarkMake(b *testing.B) {
	const n = 5000
	l := newLog()
	l.signed(ask(rules.KindList, common.Address{}))
	for i := range n {
		to := nth(i % 100)
		switch i % 3 {
		case 0:
			l.signed(l.tx(&to, int64(i), nil))
		case 1:
			l.signed(l.tx(&usdc, 0, pack(b, "transfer(address,uint256)", to, million(int64(i)))))
		default:
			l.signed(l.tx(&usdc, 0, pack(b, "approve(address,uint256)", to, million(int64(i)))))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policysuggest.Make(b.Context(), l.source, policysuggest.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/request")
}
