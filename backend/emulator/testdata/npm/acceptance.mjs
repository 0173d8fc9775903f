// Drives a vault with Azure's client for JavaScript and checks what it answers
// with Node's own OpenSSL. The vault's URL and the credential come from the
// environment; the last line of the output is a JSON report.
import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { ClientSecretCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";

const { VAULT_URL, AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET } = process.env;
const hsm = VAULT_URL.includes(".managedhsm.");

// With AUTHORITY_HOST the vault is reached by its port, which needs the SDK's
// checks off; without, everything is genuine and they stay on.
const identityOptions = AUTHORITY_HOST ? { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true } : {};
const keyOptions = AUTHORITY_HOST ? { disableChallengeResourceVerification: true } : {};
const credential = new ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, identityOptions);
const client = new KeyClient(VAULT_URL, credential, keyOptions);

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

function publicKey(jwk) {
  const coordinates = { x: base64url(jwk.x), y: base64url(jwk.y) };
  return createPublicKey({ key: { kty: "EC", crv: "secp256k1", ...coordinates }, format: "jwk" });
}

async function signAndVerify(keyOrId, key) {
  const crypto = new CryptographyClient(keyOrId, credential, keyOptions);
  const message = Buffer.from("message signed by " + key.name);
  const digest = createHash("sha256").update(message).digest();
  const signed = await crypto.sign("ES256K", digest);
  assert.equal(signed.result.length, 64);
  assert.equal(signed.keyID, key.id, "the answer names the version that signed");
  const opensslKey = { key: publicKey(key.key), dsaEncoding: "ieee-p1363" };
  assert.ok(verify("sha256", message, opensslKey, signed.result), "OpenSSL accepts the signature");
  assert.ok((await crypto.verify("ES256K", digest, signed.result)).result, "the vault accepts its signature");
  const other = createHash("sha256").update("another message").digest();
  assert.equal((await crypto.verify("ES256K", other, signed.result)).result, false);
  return { id: key.id, x: base64url(key.key.x), y: base64url(key.key.y), digest: base64url(digest), signature: base64url(signed.result) };
}

// Create.
const created = await client.createKey("created", "EC", { curve: "P-256K", tags: { made: "here" } });
assert.equal(created.keyType, hsm ? "EC-HSM" : "EC");
assert.equal(created.key.crv, "P-256K");
assert.equal(created.properties.tags.made, "here");

// Import: the public half must come back as it went in.
const jwk = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey.export({ format: "jwk" });
const bytes = (text) => Buffer.from(text, "base64url");
const imported = await client.importKey("imported", {
  kty: "EC", crv: "P-256K", keyOps: ["sign", "verify"], x: bytes(jwk.x), y: bytes(jwk.y), d: bytes(jwk.d),
});
assert.equal(base64url(imported.key.x), jwk.x);
assert.equal(base64url(imported.key.y), jwk.y);
assert.equal(imported.key.d, undefined, "the vault keeps the private half");

// Get, by name and by version.
assert.equal((await client.getKey("created")).id, created.id);
assert.equal((await client.getKey("created", { version: created.properties.version })).id, created.id);

// List, over more pages than one.
const wanted = ["created", "imported"];
for (let i = 0; i < 30; i++) {
  const name = `filler-${String(i).padStart(2, "0")}`;
  await client.createEcKey(name, { curve: "P-256K" });
  wanted.push(name);
}
const listed = [];
let pages = 0;
for await (const page of client.listPropertiesOfKeys().byPage()) {
  pages++;
  listed.push(...page.map((p) => p.name));
}
assert.deepEqual(listed.sort(), wanted.sort());
assert.ok(pages >= 2, `${pages} pages`);

// Sign by versioned id, by versionless id, and with the imported key.
const versionless = created.id.slice(0, created.id.lastIndexOf("/"));
const report = [
  await signAndVerify(created.id, created),
  await signAndVerify(versionless, created),
  await signAndVerify(imported.id, imported),
];

// Update, versions, delete and recover.
await client.updateKeyProperties("created", created.properties.version, { enabled: false });
await assert.rejects(new CryptographyClient(created.id, credential, keyOptions).sign("ES256K", Buffer.alloc(32)), /disabled/);
await client.rotateKey("imported");
const versions = [];
for await (const p of client.listPropertiesOfKeyVersions("imported")) versions.push(p.version);
assert.equal(versions.length, 2);
const deleting = await client.beginDeleteKey("filler-00", { intervalInMs: 10 });
await deleting.pollUntilDone();
await assert.rejects(client.createEcKey("filler-00", { curve: "P-256K" }), (e) => e.statusCode === 409);
const recovering = await client.beginRecoverDeletedKey("filler-00", { intervalInMs: 10 });
assert.equal((await recovering.pollUntilDone()).name, "filler-00");

// A wrong secret is told apart.
const wrong = new ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, "wrong", identityOptions);
await assert.rejects(new KeyClient(VAULT_URL, wrong, keyOptions).getKey("created"), /AADSTS7000215/);

console.log(JSON.stringify(report));
