// Decides by the sender, and leaves all others to people.
function ApproveTx(r) {
	switch (r.transaction.from.toLowerCase()) {
	case "0x71562b71999873db5b286df957af199ec94617f7":
		return "Approve"
	case "0x000000000000000000000000000000000000dead":
		return "Reject"
	}
}

function ApproveListing() { return "Approve" }

// Messages that contain a word.
function ApproveSignData(r) {
	if (r.address.toLowerCase() != "0x71562b71999873db5b286df957af199ec94617f7") {
		return
	}
	return r.messages[0].value.indexOf("bazonk") >= 0 ? "Approve" : "Reject"
}
