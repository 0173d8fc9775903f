// Package approval keeps what rules refer to people as tickets, until enough of
// the right people have approved, one has rejected, or the time is over.
//
// A ticket is bound to its request: who asks, the digest, the rule and the policy.
// People vote on the hash of everything that they are shown, and an approval is
// used once, by a request that would be shown in the same way. Tickets and votes
// are in the store before anybody is told of them, and in the journal before they
// count. What limits hold for a request is held while its ticket waits.
//
// The package never signs, never changes a request, and never knows a person by
// anything but the name that whoever calls [Queue.Vote] has proved.
package approval
