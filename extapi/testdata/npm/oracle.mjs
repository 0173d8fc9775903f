// Reads EIP-712 documents, one JSON text a line, and writes the digest that
// ethers computes for each, one a line; "error: …" where it refuses.
import { createInterface } from "node:readline";
import { TypedDataEncoder } from "ethers";

for await (const line of createInterface({ input: process.stdin })) {
  const { types, domain, message } = JSON.parse(line);
  delete types.EIP712Domain; // ethers derives it from the domain
  try {
    console.log(TypedDataEncoder.hash(domain, types, message));
  } catch (error) {
    console.log(`error: ${error.message.split("\n")[0]}`);
  }
}
