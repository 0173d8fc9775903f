// A contract with a number: set(uint256) keeps it and says so, get() tells it.
// It is written by hand, so that no compiler is needed.
import { id } from 'ethers'

const selector = (signature) => id(signature).slice(2, 10)
const runtime =
  '60003560e01c' +
  '8063' + selector('get()') + '14601f57' +
  '8063' + selector('set(uint256)') + '14602b57' +
  '60006000fd' +
  '5b60005460005260206000f3' + // get
  '5b600435806000556000527f' + id('Set(uint256)').slice(2) + '60206000a100' // set

export const bytecode = '0x605d600c600039605d6000f3' + runtime
export const abi = [
  { type: 'function', name: 'get', stateMutability: 'view', inputs: [], outputs: [{ name: '', type: 'uint256' }] },
  { type: 'function', name: 'set', stateMutability: 'nonpayable', inputs: [{ name: 'x', type: 'uint256' }], outputs: [] },
  { type: 'event', name: 'Set', anonymous: false, inputs: [{ name: 'x', type: 'uint256', indexed: false }] },
]

// What each client signs.
export const message = 'kvclef signs for ' // and the client's name
export const domain = (chainId) => ({ name: 'kvclef', version: '1', chainId, verifyingContract: '0x00000000000000000000000000000000000000c1' })
export const types = { Mail: [{ name: 'to', type: 'address' }, { name: 'contents', type: 'string' }] }
export const mail = { to: '0x000000000000000000000000000000000000dEaD', contents: 'a letter' }

export const http = process.env.RPC_HTTP
export const ws = process.env.RPC_WS
export const recipient = '0x000000000000000000000000000000000000dEaD'

export function check(condition, what) {
  if (!condition) throw new Error(what)
}

// within fails when something takes longer than a time in milliseconds.
export function within(promise, time, what) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(what + ' took too long')), time) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
