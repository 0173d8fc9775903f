// ethers v6, with accounts of the node, as an application has it.
import { Contract, ContractFactory, JsonRpcProvider, WebSocketProvider, verifyMessage, verifyTypedData } from 'ethers'
import { abi, bytecode, check, domain, http, mail, message, recipient, types, within, ws } from './contract.mjs'

const provider = new JsonRpcProvider(http, undefined, { polling: true, pollingInterval: 50, cacheTimeout: -1 })
const socket = new WebSocketProvider(ws)
try {
  const { chainId } = await provider.getNetwork()
  const signer = await provider.getSigner(0)
  const from = await signer.getAddress()

  const deployed = await new ContractFactory(abi, bytecode, signer).deploy()
  await deployed.waitForDeployment()
  const address = await deployed.getAddress()

  const seen = new Promise((resolve) => new Contract(address, abi, socket).on('Set', resolve))
  await socket.send('eth_chainId', []) // after the subscription, which has no promise of its own
  await new Promise((resolve) => setTimeout(resolve, 300))
  const set = await deployed.set(42n)
  check((await set.wait()).status === 1, 'set failed')
  check((await deployed.get()) === 42n, 'get tells another number')
  check((await within(seen, 20_000, 'the event')) === 42n, 'the event tells another number')

  const before = await provider.getBalance(recipient)
  const sent = await signer.sendTransaction({ to: recipient, value: 5n })
  check((await sent.wait()).status === 1, 'sending failed')
  check((await provider.getBalance(recipient)) - before === 5n, 'the value did not arrive')

  const text = message + 'ethers'
  check(verifyMessage(text, await signer.signMessage(text)) === from, 'the message is signed by another')
  const signature = await signer.signTypedData(domain(chainId), types, mail)
  check(verifyTypedData(domain(chainId), types, mail, signature) === from, 'the typed data is signed by another')

  let refused
  await signer.sendTransaction({ to: recipient, value: 10n ** 30n }).catch((error) => { refused = error })
  check(/insufficient funds/.test(refused?.message ?? ''), 'no word of insufficient funds: ' + refused?.message)

  console.log(JSON.stringify({ from, address, hashes: [deployed.deploymentTransaction().hash, set.hash, sent.hash] }))
} finally {
  provider.destroy()
  await socket.destroy()
}
