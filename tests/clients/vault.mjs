// node-vault against a service of this program: random bytes and the transit engine.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import nodeVault from "node-vault";

const [endpoint, tokenFile] = process.argv.slice(2);
const token = readFileSync(tokenFile, "utf8").trim();
const vault = nodeVault({ apiVersion: "v1", endpoint, token });
const hello = Buffer.from("hello").toString("base64");

assert.equal((await vault.health()).sealed, false);
assert.equal((await vault.status()).sealed, false);
assert.equal((await vault.initialized()).initialized, true);
assert.deepEqual((await vault.tokenLookupSelf()).data.policies, ["operator"]);

const random = await vault.write("sys/tools/random/16", { format: "hex" });
assert.equal(random.data.random_bytes.length, 32);
assert.equal((await vault.write("transit/random", { bytes: 9 })).data.random_bytes.length, 12);

await assert.rejects(vault.read("transit/keys/missing"), (error) => error.response.statusCode === 404);
await vault.write("transit/keys/k", {});
assert.equal((await vault.read("transit/keys/k")).data.latest_version, 1);
assert.deepEqual((await vault.list("transit/keys")).data.keys, ["k"]);
const sealed = (await vault.encryptData({ name: "k", plaintext: hello })).data.ciphertext;
assert.match(sealed, /^vault:v1:/);
assert.equal((await vault.decryptData({ name: "k", ciphertext: sealed })).data.plaintext, hello);
await vault.write("transit/keys/k/rotate", {});
const newer = (await vault.write("transit/rewrap/k", { ciphertext: sealed })).data.ciphertext;
assert.match(newer, /^vault:v2:/);
const batch = await vault.write("transit/encrypt/k", { batch_input: [{ plaintext: hello }, { plaintext: "" }] });
assert.equal(batch.data.batch_results.length, 2);
await assert.rejects(vault.decryptData({ name: "k", ciphertext: "foo" }), /invalid ciphertext: no prefix/);
await vault.write("transit/keys/k/config", { deletion_allowed: true });
await vault.delete("transit/keys/k");

for (const type of ["ed25519", "ecdsa-p256"]) {
  await vault.write(`transit/keys/${type}`, { type });
  const sign = async (more) => (await vault.write(`transit/sign/${type}`, { input: hello, ...more })).data.signature;
  const check = async (signature) => (await vault.write(`transit/verify/${type}`, { input: hello, signature })).data.valid;
  const first = await sign({});
  assert.equal(await check(first), true);
  // Node's own verification, under the public key that is shown.
  const shown = (await vault.read(`transit/keys/${type}`)).data.keys["1"].public_key;
  const raw = { key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(shown, "base64").toString("base64url") }, format: "jwk" };
  const key = createPublicKey(type === "ed25519" ? raw : shown);
  const bytes = Buffer.from(first.slice("vault:v1:".length), "base64");
  assert.equal(verify(type === "ed25519" ? null : "sha256", Buffer.from("hello"), key, bytes), true);
  await vault.write(`transit/keys/${type}/rotate`, {});
  const second = await sign({});
  assert.match(second, /^vault:v2:/);
  assert.equal(await check(first), true);
  const batch = [{ input: hello, reference: "r" }, { input: "!" }];
  const results = (await vault.write(`transit/sign/${type}`, { batch_input: batch })).data.batch_results;
  assert.equal(results[0].signature.startsWith("vault:v2:") && results[0].reference, "r");
  assert.match(results[1].error, /unable to decode input/);
  execFileSync(process.env.LAVAWALL, ["keys", "revoke", type, "1"], { stdio: "ignore" });
  await assert.rejects(check(first), /revoked/);
  assert.equal(await check(second), true);
}
const stranger = nodeVault({ apiVersion: "v1", endpoint, token: "unknown" });
await assert.rejects(stranger.write("transit/random", {}), /permission denied/);
