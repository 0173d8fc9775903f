// Package hosting keeps the configurations and services of a hosted CloudHSM, and
// runs the services: each is bound to one vault and one node, with its own
// accounts, policy and endpoints. The routes and documents are those that clients
// of such a service know, with some details of kvclef's own.
//
// What is kept lies in the store of the signer, sealed under a key of the
// operator's. The client secret of a configuration goes from the document that
// brings it into the seal and to the vault's client, and nowhere else: no answer,
// error or log shows it. A policy of a service is read once at each start, and
// must be, byte for byte, the one that it was when the service was made.
//
// The package never signs and never talks to a vault or a node: a [Runner] does.
// One process runs the services of a store that it has to itself. Of one that replicas
// share all run them: each looks every second at what the others have changed, and what
// must hold at once, the store compares, see [Serving]. No two processes overwrite each
// other's changes.
package hosting
