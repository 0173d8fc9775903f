// Package replicas tests several signers that share a database: the finished program,
// a real PostgreSQL, an emulated vault, and where it takes them a real load balancer,
// network namespaces and a real node. It has no code of its own.
package replicas
