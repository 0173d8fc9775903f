package main

import "slices"

// publicChain is a network with other people on it.
type publicChain struct {
	id   uint64
	name string
}

// publicChainNamed returns the name of a public network by its chain id.
func publicChainNamed(id uint64) (string, bool) {
	i := slices.IndexFunc(publicChains, func(c publicChain) bool { return c.id == id })
	if i < 0 {
		return "", false
	}
	return publicChains[i].name, true
}

// publicChains are the networks for which a signer that approves everything
// does not start: main networks, whose money is real, and test networks, whose
// keys tend to be used elsewhere as well. It can't be complete; it is to stop
// mistakes. Ids as registered at chainid.network.
var publicChains = []publicChain{
	{1, "Ethereum"}, {3, "Ropsten"}, {4, "Rinkeby"}, {5, "Goerli"}, {42, "Kovan"},
	{17000, "Holesky"}, {560048, "Hoodi"}, {11155111, "Sepolia"},
	{10, "OP Mainnet"}, {420, "OP Goerli"}, {11155420, "OP Sepolia"},
	{42161, "Arbitrum One"}, {42170, "Arbitrum Nova"}, {421613, "Arbitrum Goerli"}, {421614, "Arbitrum Sepolia"},
	{8453, "Base"}, {84531, "Base Goerli"}, {84532, "Base Sepolia"},
	{137, "Polygon"}, {80001, "Polygon Mumbai"}, {80002, "Polygon Amoy"},
	{1101, "Polygon zkEVM"}, {2442, "Polygon zkEVM Cardona"},
	{324, "zkSync Era"}, {300, "zkSync Sepolia"}, {59144, "Linea"}, {59141, "Linea Sepolia"},
	{534352, "Scroll"}, {534351, "Scroll Sepolia"}, {81457, "Blast"}, {168587773, "Blast Sepolia"},
	{5000, "Mantle"}, {5003, "Mantle Sepolia"}, {34443, "Mode"}, {7777777, "Zora"}, {252, "Fraxtal"},
	{130, "Unichain"}, {1301, "Unichain Sepolia"}, {480, "World Chain"}, {4801, "World Chain Sepolia"},
	{57073, "Ink"}, {1868, "Soneium"}, {167000, "Taiko"}, {169, "Manta Pacific"}, {2741, "Abstract"}, {232, "Lens"},
	{33139, "ApeChain"}, {1088, "Metis"}, {288, "Boba"}, {1135, "Lisk"},
	{56, "BNB Smart Chain"}, {97, "BNB Smart Chain Testnet"}, {204, "opBNB"}, {5611, "opBNB Testnet"},
	{43114, "Avalanche"}, {43113, "Avalanche Fuji"}, {100, "Gnosis"}, {10200, "Gnosis Chiado"},
	{42220, "Celo"}, {44787, "Celo Alfajores"}, {11142220, "Celo Sepolia"}, {250, "Fantom"}, {4002, "Fantom Testnet"},
	{146, "Sonic"}, {57054, "Sonic Blaze"}, {25, "Cronos"}, {388, "Cronos zkEVM"}, {61, "Ethereum Classic"}, {63, "Mordor"},
	{1284, "Moonbeam"}, {1285, "Moonriver"}, {1287, "Moonbase Alpha"}, {1313161554, "Aurora"},
	{8217, "Kaia"}, {1001, "Kaia Kairos"}, {1329, "Sei"}, {80094, "Berachain"}, {369, "PulseChain"},
	{999, "HyperEVM"}, {143, "Monad"}, {10143, "Monad Testnet"}, {2020, "Ronin"}, {9745, "Plasma"},
	{30, "Rootstock"}, {31, "Rootstock Testnet"}, {40, "Telos"}, {50, "XDC"}, {88, "Viction"}, {122, "Fuse"},
	{128, "Heco"}, {199, "BitTorrent Chain"}, {295, "Hedera"}, {296, "Hedera Testnet"}, {314, "Filecoin"},
	{592, "Astar"}, {747, "Flow EVM"}, {1030, "Conflux eSpace"}, {1116, "Core"}, {1514, "Story"}, {2222, "Kava"},
	{4689, "IoTeX"}, {7000, "ZetaChain"}, {9001, "Evmos"}, {13371, "Immutable zkEVM"}, {48900, "Zircuit"},
	{60808, "BOB"}, {98866, "Plume"}, {200901, "Bitlayer"}, {666666666, "Degen"},
}
