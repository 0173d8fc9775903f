
function count(name) { return Number(storage.get(name) || "0") }

function ApproveListing(r) {
	storage.put("listings", String(count("listings") + 1))
	storage.put("grüße & <co>", "\u00e4 \"quoted\"\n" + r.accounts.length)
	return "Approve"
}

function ApproveTx(r) {
	if (r.transaction.to.toLowerCase() != "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266") { return "Reject" }
	return count("spent") < 3 ? "Approve" : "Reject"
}

function OnApprovedTx(r) { storage.put("spent", String(count("spent") + 1)) }
