// An allow-list, a cap and a daily total that is counted with the decision.
var allowed = ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"]

function amount(hex) { return new BigNumber(hex.slice(2), 16) }
function day() { return "day/" + Math.floor(Date.now() / 86400000) }

function ApproveListing(r) { return "Approve" }
function ApproveSignData(r) { return "Approve" }

function ApproveTx(r) {
	var tx = r.transaction
	if (!tx.to || allowed.indexOf(tx.to.toLowerCase()) < 0) { return "Reject" }
	var value = amount(tx.value)
	if (value.gt("1e18")) { return "Reject" }
	var sum = new BigNumber(storage.get(day()) || "0").plus(value)
	if (sum.gt("1e24")) { return "Reject" }
	storage.put(day(), sum.toString(10))
	return "Approve"
}
