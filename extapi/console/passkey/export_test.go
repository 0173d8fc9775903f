package passkey

// Challenge is what a passkey signs for a claim.
func Challenge(c Claim, nonce []byte) [32]byte { return c.challenge(nonce) }
