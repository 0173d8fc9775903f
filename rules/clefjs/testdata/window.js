// A weekly limit of one ether, in the manner of Clef's documentation: what was
// signed is kept in the storage by OnApprovedTx, and summed up by ApproveTx.
function big(text) {
	return text.slice(0, 2) == "0x" ? new BigNumber(text.slice(2), 16) : new BigNumber(text)
}

var week = 1000 * 3600 * 24 * 7
var limit = new BigNumber("1e18")

function signed() {
	var stored = storage.get("txs")
	return stored == "" ? [] : JSON.parse(stored)
}

function ApproveTx(r) {
	var start = new Date().getTime() - week
	var recent = signed().filter(function (tx) { return tx.tstamp > start })
	// Like the original, with a variable that is not declared.
	sum = recent.reduce(function (total, tx) { return big(tx.value).plus(total) }, new BigNumber(0))
	console.log("sum so far", sum, "requested", big(r.transaction.value).toNumber())
	if (sum.plus(big(r.transaction.value)).lt(limit)) {
		return "Approve"
	}
	return "Nope"
}

function OnApprovedTx(resp) {
	var txs = signed()
	txs.push({ tstamp: new Date().getTime(), value: big(resp.tx.value) })
	storage.put("txs", JSON.stringify(txs))
}
