// An allow-list, a cap and a daily total that is counted when a transaction is
// signed, as Clef's documentation does it.
var allowed = ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x71562b71999873db5b286df957af199ec94617f7"]

function amount(hex) { return new BigNumber(hex.slice(2), 16) }
function day() { return "day/" + Math.floor(Date.now() / 86400000) }
function spent() { return new BigNumber(storage.get(day()) || "0") }

function ApproveListing(r) {
	console.log("total", spent().toString(10))
	return "Approve"
}

function ApproveTx(r) {
	var tx = r.transaction
	if (!tx.to || allowed.indexOf(tx.to.toLowerCase()) < 0) { return "Reject" }
	if (amount(tx.value).gt("1e18")) { return "Reject" }
	if (spent().plus(amount(tx.value)).gt("1e24")) { return "Reject" }
	return "Approve"
}

function OnApprovedTx(r) {
	storage.put(day(), spent().plus(amount(r.tx.value)).toString(10))
}
