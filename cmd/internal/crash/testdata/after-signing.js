// Each recipient may be sent CAP wei within a week. A signature counts, as in
// the example of Clef's documentation.
var CAP = new BigNumber(100)
var WINDOW = 7 * 24 * 3600 * 1000

function big(text) {
	return text.slice(0, 2) == "0x" ? new BigNumber(text.slice(2), 16) : new BigNumber(text)
}

function sent(to) {
	var since = new Date().getTime() - WINDOW
	return JSON.parse(storage.get(to) || "[]").filter(function (entry) {
		return entry.time > since
	})
}

function ApproveTx(request) {
	var sum = sent(request.transaction.to.toLowerCase()).reduce(function (sum, entry) {
		return sum.plus(big(entry.value))
	}, big(request.transaction.value))
	return sum.gt(CAP) ? "Reject" : "Approve"
}

function OnApprovedTx(response) {
	var to = response.tx.to.toLowerCase()
	var list = sent(to)
	list.push({time: new Date().getTime(), value: response.tx.value})
	storage.put(to, JSON.stringify(list))
}

function ApproveListing() {
	return "Approve"
}
