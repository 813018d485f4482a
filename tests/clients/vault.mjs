// node-vault against a service of this program: random bytes and the transit engine.

import assert from "node:assert/strict";
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
const stranger = nodeVault({ apiVersion: "v1", endpoint, token: "unknown" });
await assert.rejects(stranger.write("transit/random", {}), /permission denied/);
