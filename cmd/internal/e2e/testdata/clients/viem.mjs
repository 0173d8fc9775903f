// viem, with a JSON-RPC account.
import { createPublicClient, createWalletClient, defineChain, http as overHTTP, verifyMessage, verifyTypedData, webSocket } from 'viem'
import { abi, bytecode, check, domain, http, mail, message, recipient, types, within, ws } from './contract.mjs'

const transport = overHTTP(http)
const id = await createPublicClient({ transport }).getChainId()
const chain = defineChain({ id, name: 'test', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [http], webSocket: [ws] } } })
const reader = createPublicClient({ chain, transport, pollingInterval: 50 })
const socket = createPublicClient({ chain, transport: webSocket(ws, { reconnect: false }) })
const [account] = await createWalletClient({ chain, transport }).getAddresses()
const wallet = createWalletClient({ account, chain, transport })

const deployment = await wallet.deployContract({ abi, bytecode })
const { contractAddress: address } = await reader.waitForTransactionReceipt({ hash: deployment })

let unwatch
const seen = new Promise((resolve, reject) => {
  unwatch = socket.watchContractEvent({ address, abi, eventName: 'Set', onLogs: (logs) => resolve(logs[0].args.x), onError: reject })
})
await new Promise((resolve) => setTimeout(resolve, 300))
const set = await wallet.writeContract({ address, abi, functionName: 'set', args: [43n] })
check((await reader.waitForTransactionReceipt({ hash: set })).status === 'success', 'set failed')
check((await reader.readContract({ address, abi, functionName: 'get' })) === 43n, 'get tells another number')
check((await within(seen, 20_000, 'the event')) === 43n, 'the event tells another number')
unwatch()

const before = await reader.getBalance({ address: recipient })
const sent = await wallet.sendTransaction({ to: recipient, value: 6n })
await reader.waitForTransactionReceipt({ hash: sent })
check((await reader.getBalance({ address: recipient })) - before === 6n, 'the value did not arrive')

const text = message + 'viem'
check(await verifyMessage({ address: account, message: text, signature: await wallet.signMessage({ message: text }) }), 'the message is signed by another')
const typed = { domain: domain(id), types, primaryType: 'Mail', message: mail }
check(await verifyTypedData({ address: account, ...typed, signature: await wallet.signTypedData(typed) }), 'the typed data is signed by another')

console.log(JSON.stringify({ from: account, address, hashes: [deployment, set, sent] }))
process.exit(0) // the socket stays open otherwise
