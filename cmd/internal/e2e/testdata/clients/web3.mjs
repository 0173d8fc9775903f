// web3.js v4.
import { Web3 } from 'web3'
import { verifyMessage, verifyTypedData } from 'ethers'
import { abi, bytecode, check, domain, http, mail, message, recipient, types, within, ws } from './contract.mjs'

const web3 = new Web3(http)
web3.eth.transactionPollingInterval = 50
const socket = new Web3(ws)
const [from] = await web3.eth.getAccounts()
const hashes = []
const confirmed = async (sending) => {
  const receipt = await sending
  hashes.push(receipt.transactionHash)
  return receipt
}

const factory = new web3.eth.Contract(abi)
const deploying = factory.deploy({ data: bytecode }).send({ from })
deploying.on('transactionHash', (hash) => hashes.push(hash))
const deployed = await deploying
const address = deployed.options.address

const watched = new socket.eth.Contract(abi, address)
const seen = new Promise((resolve, reject) => {
  const subscription = watched.events.Set()
  subscription.on('data', (log) => resolve(log.returnValues.x))
  subscription.on('error', reject)
})
await new Promise((resolve) => setTimeout(resolve, 300))
const set = await confirmed(deployed.methods.set(44).send({ from }))
check(set.status === 1n, 'set failed')
check((await deployed.methods.get().call()) === 44n, 'get tells another number')
check((await within(seen, 20_000, 'the event')) === 44n, 'the event tells another number')

const before = await web3.eth.getBalance(recipient)
await confirmed(web3.eth.sendTransaction({ from, to: recipient, value: 7 }))
check((await web3.eth.getBalance(recipient)) - before === 7n, 'the value did not arrive')

const text = message + 'web3'
const signed = await web3.eth.sign(web3.utils.utf8ToHex(text), from)
check(verifyMessage(text, signed) === web3.utils.toChecksumAddress(from), 'the message is signed by another')
const personal = await web3.eth.personal.sign(web3.utils.utf8ToHex(text), from, '')
check(verifyMessage(text, personal) === web3.utils.toChecksumAddress(from), 'the personal message is signed by another')
const chainId = Number(await web3.eth.getChainId())
const document = {
  domain: domain(chainId), primaryType: 'Mail', message: mail,
  types: { EIP712Domain: [{ name: 'name', type: 'string' }, { name: 'version', type: 'string' }, { name: 'chainId', type: 'uint256' }, { name: 'verifyingContract', type: 'address' }], ...types },
}
const signature = await web3.eth.signTypedData(from, document)
check(verifyTypedData(domain(chainId), types, mail, signature) === web3.utils.toChecksumAddress(from), 'the typed data is signed by another')

console.log(JSON.stringify({ from, address, hashes }))
process.exit(0) // the socket stays open otherwise
