// Each recipient may be sent CAP wei in all. An approval counts, whatever
// becomes of it.
var CAP = new BigNumber(100)

function big(text) {
	return text.slice(0, 2) == "0x" ? new BigNumber(text.slice(2), 16) : new BigNumber(text)
}

function ApproveTx(request) {
	var to = request.transaction.to.toLowerCase()
	var sum = big(storage.get(to) || "0").plus(big(request.transaction.value))
	if (sum.gt(CAP)) {
		return "Reject"
	}
	storage.put(to, sum.toString(10))
	return "Approve"
}

function ApproveListing() {
	return "Approve"
}
