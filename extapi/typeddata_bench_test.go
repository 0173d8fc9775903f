package extapi

import (
	"encoding/json"
	"strings"
	"testing"
)

// BenchmarkTypedData is decoding, checking, hashing and showing a document.
func BenchmarkTypedData(b *testing.B) {
	elements := strings.Repeat(`{"n":"a name","v":"123456789"},`, 999) + `{"n":"a name","v":1}`
	for _, test := range []struct {
		name string
		text []byte
	}{
		{"mail", dataCaptures(b, "account_signTypedData")["typed-mail"].Request.Params[1]},
		{"1000 structs", []byte(docOf(`"P":[{"name":"n","type":"string"},{"name":"v","type":"uint256"}],"M":[{"name":"ps","type":"P[]"}]`, `{"ps":[`+elements+`]}`))},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(test.text)))
			for b.Loop() {
				var decoded TypedData
				if err := json.Unmarshal(test.text, &decoded); err != nil {
					b.Fatal(err)
				}
				if _, err := encodeTypedData(&decoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
