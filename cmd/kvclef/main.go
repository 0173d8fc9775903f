// Command kvclef is an external signer for Ethereum nodes.
package main

func main() {}
