package policytest

import (
	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"
)

// payloadRequest writes the request of a sequencer to sign a block. The domain is
// that of today's blocks where it is not given, and so is the hash of some block.
func (r *reader) payloadRequest(node *yaml.Node) (*yaml.Node, error) {
	all, err := r.merged(node, r.defaults["block_payload"], []string{"signer", "domain", "chainId", "payloadHash"})
	if err != nil {
		return nil, err
	}
	chain := member(all, "chainId")
	if !given(chain) {
		return nil, at(node, "a block payload has chainId, here or before the cases")
	}
	id, err := r.names.chain(chain.Value)
	if err != nil {
		return nil, at(chain, "chainId: %w", err)
	}
	payload := mapping(node)
	pair(payload, "chainId", scalar(id.String()))
	for name, usual := range map[string]common.Hash{"domain": {}, "payloadHash": {31: 1}} {
		value := member(all, name)
		if !given(value) {
			value = scalar(usual.Hex())
		}
		pair(payload, name, scalar(value.Value))
	}
	if signer := member(all, "signer"); given(signer) {
		pair(payload, "senderAddress", scalar(r.names.address(signer.Value)))
	}
	request := mapping(node)
	pair(request, "method", scalar("opsigner_signBlockPayloadV2"))
	pair(request, "params", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{payload}})
	return request, nil
}
