package policy

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

const noTransaction = "no transaction"

// transactionWords are about a transaction as a whole. They are false for what
// is none.
func transactionWords() []word {
	return []word{
		typeWord(),
		{key: "create", doc: "whether the transaction makes a contract", shape: booleanShape(), parse: flag("create", func(tx *facts.Tx) bool { return tx.Create })},
		initCodeWord(),
		countWord("gas_max", "the gas limit, at most", func(tx *facts.Tx) uint64 { return tx.Gas() }),
		costWord("fee_cap_max", "what a unit of gas may cost, at most: the fee cap or the gas price",
			func(tx *facts.Tx, most *bound) bool { return tx.GasFeeCapIntCmp(most.big) <= 0 }, func(tx *facts.Tx) *big.Int { return tx.GasFeeCap() }),
		costWord("tip_cap_max", "the tip for a unit of gas, at most; the gas price of old transactions",
			func(tx *facts.Tx, most *bound) bool { return tx.GasTipCapIntCmp(most.big) <= 0 }, func(tx *facts.Tx) *big.Int { return tx.GasTipCap() }),
		costWord("blob_fee_cap_max", "what a unit of blob gas may cost, at most; 0 without blobs", blobFeeWithin, func(tx *facts.Tx) *big.Int { return tx.BlobGasFeeCap() }),
		countWord("blobs_max", "the number of blobs, at most", func(tx *facts.Tx) uint64 { return uint64(len(tx.BlobHashes())) }),
		costWord("gas_cost_max", "the worst case of gas and blobs, at most",
			func(tx *facts.Tx, most *bound) bool { return !tx.GasCost.Gt(&most.wei) }, func(tx *facts.Tx) *big.Int { return tx.GasCost.ToBig() }),
		costWord("spend_max", "the worst case of gas and blobs with the value, at most",
			func(tx *facts.Tx, most *bound) bool { return !tx.Spend.Gt(&most.wei) }, func(tx *facts.Tx) *big.Int { return tx.Spend.ToBig() }),
		countWord("nonce_max", "the nonce, at most", func(tx *facts.Tx) uint64 { return tx.Nonce() }),
		{key: "access_list", doc: "whether the transaction has an access list", shape: booleanShape(), parse: flag("access_list", func(tx *facts.Tx) bool { return len(tx.AccessList()) > 0 })},
		delegateWord(),
		{
			key: "delegate_any_chain", doc: "whether an authorization (EIP-7702) holds on every chain", shape: booleanShape(),
			parse: flag("delegate_any_chain", func(tx *facts.Tx) bool {
				return slices.ContainsFunc(tx.Delegates, func(d facts.Delegate) bool { return d.AnyChain })
			}),
		},
	}
}

// flag is the predicate of a fact that is so or not so.
func flag(key string, fact func(tx *facts.Tx) bool) func(*parser, *yaml.Node) predicate {
	return func(p *parser, node *yaml.Node) predicate {
		want, ok := p.boolean(node, key)
		if !ok {
			return nil
		}
		return &atom{
			word: key, wants: strconv.FormatBool(want),
			ask: func(s *subject) truth { return is(s.Tx != nil && fact(s.Tx) == want) },
			shows: func(s *subject) string {
				if s.Tx == nil {
					return noTransaction
				}
				return strconv.FormatBool(fact(s.Tx))
			},
		}
	}
}

// countWord is an upper bound of a number.
func countWord(key, doc string, fact func(tx *facts.Tx) uint64) word {
	return word{key: key, doc: doc, shape: integerShape(), parse: func(p *parser, node *yaml.Node) predicate {
		most, ok := p.integer(node, key, math.MaxUint64)
		if !ok {
			return nil
		}
		return &atom{
			word: key, wants: fmt.Sprintf("at most %d", most), holds: reach{bound: uint256.NewInt(most), upper: true},
			ask: func(s *subject) truth { return is(s.Tx != nil && fact(s.Tx) <= most) },
			shows: func(s *subject) string {
				if s.Tx == nil {
					return noTransaction
				}
				return strconv.FormatUint(fact(s.Tx), 10)
			},
		}
	}}
}

// bound is a number of wei, for both kinds of comparison.
type bound struct {
	wei uint256.Int
	big *big.Int
}

// blobFeeWithin bounds the blob fee cap. What has no blobs costs nothing.
func blobFeeWithin(tx *facts.Tx, most *bound) bool {
	return tx.Type() != types.BlobTxType || tx.BlobGasFeeCapIntCmp(most.big) <= 0
}

// costWord is an upper bound in wei.
func costWord(key, doc string, within func(tx *facts.Tx, most *bound) bool, fact func(tx *facts.Tx) *big.Int) word {
	return word{key: key, doc: doc, shape: weiShape(), parse: func(p *parser, node *yaml.Node) predicate {
		a, ok := p.amount(node, key, inWei)
		if !ok {
			return nil
		}
		most := &bound{a.value, a.value.ToBig()}
		return &atom{
			word: key, wants: "at most " + a.text, holds: reach{bound: &a.value, upper: true},
			ask: func(s *subject) truth { return is(s.Tx != nil && within(s.Tx, most)) },
			shows: func(s *subject) string {
				if s.Tx == nil {
					return noTransaction
				}
				cost := new(uint256.Int)
				if got := fact(s.Tx); got != nil {
					cost.SetFromBig(got)
				}
				return shownAmount(cost, nil)
			},
		}
	}}
}

func typeWord() word {
	const last = 4
	return word{
		key: "tx_type", doc: "the type of the transaction (EIP-2718): 0 legacy, 1 access list, 2 dynamic fee, 3 blobs, 4 set code",
		shape: oneOrMore(shape{"type": "integer", "minimum": 0, "maximum": last}),
		parse: func(p *parser, node *yaml.Node) predicate {
			var set [last + 1]bool
			var texts []string
			for _, element := range p.list(node, "tx_type") {
				n, ok := p.integer(element, "tx_type", last)
				if !ok {
					return nil
				}
				set[n] = true
				texts = append(texts, element.Value)
			}
			if len(texts) == 0 {
				return nil
			}
			return &atom{
				word: "tx_type", wants: oneOf(texts...),
				ask: func(s *subject) truth { return is(s.Tx != nil && s.Tx.Type() <= last && set[s.Tx.Type()]) },
				shows: func(s *subject) string {
					if s.Tx == nil {
						return noTransaction
					}
					return strconv.Itoa(int(s.Tx.Type()))
				},
			}
		},
	}
}

func initCodeWord() word {
	return word{
		key: "init_code_hash", doc: "the Keccak-256 of the code that makes a contract", shape: oneOrMore(patternShape("^0x[0-9a-fA-F]{64}$")),
		parse: func(p *parser, node *yaml.Node) predicate {
			set := make(map[common.Hash]bool)
			var texts []string
			for _, element := range p.list(node, "init_code_hash") {
				raw, ok := p.bytes(element, "init_code_hash", common.HashLength)
				if !ok {
					return nil
				}
				set[common.Hash(raw)] = true
				texts = append(texts, hexutil.Encode(raw))
			}
			if len(texts) == 0 {
				return nil
			}
			return &atom{
				word: "init_code_hash", wants: oneOf(texts...),
				ask: func(s *subject) truth { return is(s.Tx != nil && s.Tx.Create && set[s.Tx.InitCodeHash]) },
				shows: func(s *subject) string {
					if s.Tx == nil || !s.Tx.Create {
						return "no creation"
					}
					return s.Tx.InitCodeHash.Hex()
				},
			}
		},
	}
}

// delegateWord is about the contracts that accounts are handed over to: all of
// them for a rule that allows, one of them for a rule that denies.
func delegateWord() word {
	return word{
		key: "delegate_to", doc: "the contracts that a set-code transaction (EIP-7702) hands accounts over to; none takes an account back", shape: oneOrMore(addressShape()),
		parse: func(p *parser, node *yaml.Node) predicate {
			set, ok := p.addresses(node, "delegate_to", wordNone)
			if !ok {
				return nil
			}
			every := p.allow
			in := func(d facts.Delegate) bool {
				return set.has(d.Contract) || set.words[wordNone] && d.Contract == (common.Address{})
			}
			wants := "one of them is " + set.text
			if every {
				wants = "all of them are " + set.text
			}
			return &atom{
				word: "delegate_to", wants: wants,
				ask: func(s *subject) truth {
					switch {
					case s.Tx == nil || len(s.Tx.Delegates) == 0:
						return isFalse
					case every:
						return is(!slices.ContainsFunc(s.Tx.Delegates, func(d facts.Delegate) bool { return !in(d) }))
					default:
						return is(slices.ContainsFunc(s.Tx.Delegates, in))
					}
				},
				shows: func(s *subject) string {
					if s.Tx == nil || len(s.Tx.Delegates) == 0 {
						return "no authorizations"
					}
					var all []string
					for _, d := range s.Tx.Delegates[:min(len(s.Tx.Delegates), 8)] {
						all = append(all, d.Contract.Hex())
					}
					return strings.Join(all, ", ")
				},
			}
		},
	}
}
