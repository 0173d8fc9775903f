// A ruleset as a relayer would have it: an allowlist, a cap on the fee and on
// the amount, and a daily limit in the storage.
var allowed = {
	"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266": true,
	"0x70997970c51812dc3a010c7d01b50e0d17dc79c8": true,
	"0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc": true
}
var cap = new BigNumber("1e18"), daily = new BigNumber("1e24"), fee = new BigNumber("1e11")

function hex(text) { return new BigNumber(text.slice(2), 16) }

function today() { return "spent/" + new Date().toISOString().slice(0, 10) }

function spent() { return new BigNumber(storage.get(today()) || "0") }

function ApproveTx(r) {
	var tx = r.transaction
	if (!tx.to || !allowed[tx.to.toLowerCase()]) { return "Reject" }
	if (hex(tx.maxFeePerGas || tx.gasPrice).gt(fee)) { return "Reject" }
	var value = hex(tx.value)
	if (value.gt(cap) || spent().plus(value).gt(daily)) { return "Reject" }
	return "Approve"
}

function OnApprovedTx(r) {
	storage.put(today(), spent().plus(hex(r.tx.value)).toString(10))
}
