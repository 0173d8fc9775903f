// The first example of Clef's documentation, with its mistakes: "metadata" is
// called "meta", and Clef's BigNumber takes no "0x".
function asBig(str) {
	if (str.slice(0, 2) == "0x") { return new BigNumber(str.slice(2), 16) }
	return new BigNumber(str)
}

function ApproveTx(req) {
	var limit = new BigNumber("0xb1a2bc2ec50000")
	if (asBig(req.transaction.value).lt(limit)) { return "Approve" }
}

function ApproveListing(req) {
	if (req.metadata.scheme == "ipc") { return "Approve" }
}
