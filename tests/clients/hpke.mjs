// @hpke/core opens what a service of this program seals, by both suites.

import assert from "node:assert/strict";
import { createPublicKey, randomBytes, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

const [endpoint, tokenFile] = process.argv.slice(2);
const authorization = `Bearer ${readFileSync(tokenFile, "utf8").trim()}`;

async function call(body) {
  const init = { headers: { authorization } };
  if (body) {
    Object.assign(init, { method: "POST", body: JSON.stringify(body) });
  }
  const answer = await fetch(`${endpoint}/seed`, init);
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

function numbers(...all) {
  return Buffer.concat(all.map((number) => Buffer.from([number >> 8, number & 0xff])));
}

const identity = Buffer.from((await call()).identity, "base64");
const jwk = { kty: "OKP", crv: "Ed25519", x: identity.toString("base64url") };
const verifier = createPublicKey({ format: "jwk", key: jwk });

for (const [name, number, kem, length] of [
  ["x25519", 0x0020, new DhkemX25519HkdfSha256(), 64],
  ["x-wing", 0x647a, new XWing(), 33],
]) {
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
  const pair = await suite.kem.generateKeyPair();
  const publicKey = Buffer.from(await suite.kem.serializePublicKey(pair.publicKey));
  const nonce = randomBytes(32);
  const answer = await call({
    suite: name,
    public_key: publicKey.toString("base64"),
    nonce: nonce.toString("base64"),
    bytes: length,
  });
  const [enc, ciphertext, signature] = ["enc", "ciphertext", "signature"].map((member) =>
    Buffer.from(answer[member], "base64"),
  );
  const info = Buffer.concat([Buffer.from("lavawall v1 seed"), identity, nonce]);
  const parts = [publicKey, info, enc, ciphertext].flatMap((part) => [numbers(part.length), part]);
  const label = Buffer.from("lavawall v1 seed signature");
  const message = Buffer.concat([label, numbers(number, 0x0001, 0x0003), ...parts]);
  assert.ok(verify(null, message, verifier, signature), name);
  const context = { recipientKey: pair.privateKey, enc, info };
  const recipient = await suite.createRecipientContext(context);
  assert.equal((await recipient.open(ciphertext)).byteLength, length);
  const other = await suite.createRecipientContext({ ...context, info: Buffer.concat([info, info]) });
  await assert.rejects(other.open(ciphertext));
}
