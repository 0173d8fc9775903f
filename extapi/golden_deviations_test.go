package extapi

// deviation is an answer that differs from Clef's on purpose.
type deviation struct {
	number int    // in docs/compatibility.md
	answer string // kvclef's
}

// deviations are the captures that are answered otherwise, by name.
var deviations = map[string]deviation{
	"tx-tip-above-fee-cap":              {15, `{"jsonrpc":"2.0","id":15,"error":{"code":-32000,"message":"maxPriorityFeePerGas 2 is above maxFeePerGas 1: such a transaction is never mined"}}`},
	"tx-create-no-fees":                 {15, `{"jsonrpc":"2.0","id":22,"error":{"code":-32000,"message":"validation failed: Neither 'gasPrice' nor 'maxFeePerGas' specified."}}`},
	"tx-method-selector-garbage":        {12, `{"jsonrpc":"2.0","id":26,"error":{"code":-32000,"message":"methodSelector \"transfer\" is not of the form name(type,type), or longer than 1024 bytes"}}`},
	"tx-set-code":                       {14, `{"jsonrpc":"2.0","id":31,"result":{"raw":"0x04f88b82053906843b9aca008477359400830186a094f39fd6e51aad88f6f4ce6ab8827279cfffb922660180c0dddc82053994f39fd6e51aad88f6f4ce6ab8827279cfffb922668080010101a09d982a16377f56f647b8157d97ea1a0d04d663f83662e87629884008395952e2a03aa5780fddebe751277f576c85f825a9c2e36acd3dd352fccb91cc2b8d5f98ab","tx":{"type":"0x4","chainId":"0x539","nonce":"0x6","to":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","gas":"0x186a0","gasPrice":null,"maxPriorityFeePerGas":"0x3b9aca00","maxFeePerGas":"0x77359400","value":"0x1","input":"0x","accessList":[],"authorizationList":[{"chainId":"0x539","address":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","nonce":"0x0","yParity":"0x0","r":"0x1","s":"0x1"}],"v":"0x1","r":"0x9d982a16377f56f647b8157d97ea1a0d04d663f83662e87629884008395952e2","s":"0x3aa5780fddebe751277f576c85f825a9c2e36acd3dd352fccb91cc2b8d5f98ab","yParity":"0x1","hash":"0x6da36e2381c14193cf1db2e00507e46c9bed7911970b9d91f501b74a5cad0fb5"}}}`},
	"tx-unknown-member":                 {14, `{"jsonrpc":"2.0","id":32,"error":{"code":-32602,"message":"invalid argument 0: unknown member \"foo\": it would not be signed, remove it"}}`},
	"tx-member-case":                    {14, `{"jsonrpc":"2.0","id":33,"error":{"code":-32602,"message":"invalid argument 0: unknown member \"From\": it is spelled \"from\""}}`},
	"tx-zero-gas":                       {15, `{"jsonrpc":"2.0","id":38,"error":{"code":-32000,"message":"gas is 0: such a transaction is never mined"}}`},
	"tx-missing-gas-nonce-value":        {15, `{"jsonrpc":"2.0","id":39,"error":{"code":-32602,"message":"invalid argument 0: missing member \"nonce\": an absent one would be signed as 0"}}`},
	"data-other-content-type":           {19, `{"jsonrpc":"2.0","id":77,"error":{"code":-32000,"message":"media type \"application/json\" is not signed: use text/plain, data/validator, data/typed or application/x-clique-header"}}`},
	"data-validator-long-address":       {18, `{"jsonrpc":"2.0","id":87,"error":{"code":-32000,"message":"validator address has 25 bytes: want 20"}}`},
	"data-typed":                        {11, `{"jsonrpc":"2.0","id":89,"error":{"code":-32000,"message":"requested chainid 1 does not match the configuration of the signer"}}`},
	"typed-mail":                        {11, `{"jsonrpc":"2.0","id":93,"error":{"code":-32000,"message":"requested chainid 1 does not match the configuration of the signer"}}`},
	"typed-mail-chainid-string":         {11, `{"jsonrpc":"2.0","id":94,"error":{"code":-32000,"message":"requested chainid 1 does not match the configuration of the signer"}}`},
	"typed-uint256-array":               {9, `{"jsonrpc":"2.0","id":101,"result":"0x6de8e6feb0f2dfdb3b2d6f4bf4fbaa1ac8de0b802dc4c3ba27dac057fe0ea98b1c783b411c9316161348e3a2ac4fc2f6c630d3b7a07fa58d78add904ca0f48911c"}`},
	"typed-address-array":               {9, `{"jsonrpc":"2.0","id":102,"result":"0x3e9ce820a33a6460310541bb92f12695d43df6f99a50871dd2f3b75801b806726aca9d428aa860e70bbecf2feb919d006c51f598e005618d78392d86981a78ab1c"}`},
	"typed-string-array":                {9, `{"jsonrpc":"2.0","id":103,"result":"0x911418f81f67d77a13cb9d8adc2a27e650a5e2d012362b33192f267f5313badc24f2975510966bc106b5461bbaca4c189199cc5b3c9bea0f4d3aa96f0046a2f31b"}`},
	"typed-bool-array":                  {9, `{"jsonrpc":"2.0","id":105,"result":"0x8980b8e4024f4d838f0c92deda1b6e46d4db9341d006740198e7925ba3a0ef8d165e2f8c7f63ff23bd100b9c32fa69ea87e4e80c4e9c98d636b55de0a29ab11c1c"}`},
	"typed-fixed-array-wrong-length":    {10, `{"jsonrpc":"2.0","id":107,"error":{"code":-32000,"message":"array of 1 elements doesn't match type 'bytes32[3]'"}}`},
	"typed-array-null-item":             {10, `{"jsonrpc":"2.0","id":108,"error":{"code":-32000,"message":"provided data '<nil>' doesn't match type 'bytes32'"}}`},
	"typed-int-overflow":                {10, `{"jsonrpc":"2.0","id":109,"error":{"code":-32000,"message":"integer larger than 'int8'"}}`},
	"typed-nested-array":                {9, `{"jsonrpc":"2.0","id":115,"result":"0x8296415a9d11969604ef545fb815cb0f5b973b3b0449bd87a0d17e425896ef3d62b5a38159e0681272ac26c3aff9bf0dd8a6ade831fffd6190010567d0de84d71b"}`},
	"gnosis-chainid-and-wrong-hash":     {1, `{"jsonrpc":"2.0","id":125,"error":{"code":-32000,"message":"mismatched safeTxHash; have 0xca86e00442fff51b385a180ec8cd418cc6d699b5adc00822f22b23335b1cfdc5 want 0x1111111111111111111111111111111111111111111111111111111111111111"}}`},
	"gnosis-other-chain":                {1, `{"jsonrpc":"2.0","id":126,"error":{"code":-32000,"message":"requested chainid 1 does not match the configuration of the signer"}}`},
	"gnosis-delegatecall":               {1, `{"jsonrpc":"2.0","id":127,"error":{"code":-32000,"message":"mismatched safeTxHash; have 0x8163a6cb0334fd09d5a189d4e935bfdf1f925ccd9d222f9296ef241d01f4404a want 0x1111111111111111111111111111111111111111111111111111111111111111"}}`},
	"blob-hashes-without-blobfeecap":    {15, `{"jsonrpc":"2.0","id":133,"error":{"code":-32000,"message":"maxFeePerBlobGas is missing from a blob transaction: geth sends it since v1.17.5, update the node"}}`},
	"blob-hashes-empty":                 {15, `{"jsonrpc":"2.0","id":135,"error":{"code":-32000,"message":"blobVersionedHashes is empty: such a transaction is never mined"}}`},
	"blob-gasprice":                     {15, `{"jsonrpc":"2.0","id":139,"error":{"code":-32000,"message":"gasPrice would be dropped from a blob transaction: give maxFeePerGas and maxPriorityFeePerGas"}}`},
	"http-options":                      {22, `{"status":403,"headers":{"content-type":"text/plain; charset=utf-8"},"body":"origin not allowed\n"}`},
	"http-origin":                       {22, `{"status":403,"headers":{"content-type":"text/plain; charset=utf-8"},"body":"origin not allowed\n"}`},
	"adv-gasprice-and-maxfee":           {16, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"gasPrice would be dropped from a transaction with maxFeePerGas: give one of them"}}`},
	"adv-onapproved-throws":             {6, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"internal error"}}`},
	"rule-unknown-answer-then-manual-y": {3, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"request denied"}}`},
}
