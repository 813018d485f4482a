// The official client of Workers KV from npm, as it is, against a running lavawall.
//
// Usage: workers_kv.mjs URL TOKEN_FILE

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { readFileSync } from "node:fs";

import Cloudflare from "cloudflare";

const [url, tokenFile] = process.argv.slice(2);
const client = new Cloudflare({
  baseURL: `${url}/client/v4`,
  apiToken: readFileSync(tokenFile, "utf8").trim(),
  maxRetries: 0,
});
const kv = client.kv.namespaces;
const account = { account_id: "default" };

async function refused(kind, call, code) {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof kind, `${kind.name} was expected: ${error}`);
    assert.deepEqual(error.errors.map((item) => item.code), [code]);
    return true;
  });
}

async function all(page) {
  const items = [];
  for await (const item of page) items.push(item);
  return items;
}

// Exact bytes. A form's plain strings have their line ends changed before they are sent.
const file = (bytes) => new File([bytes], "value");
const bytes = async (answer) => Buffer.from(await (await answer).arrayBuffer());

// Namespaces.
const first = await kv.create({ ...account, title: "npm first" });
assert.equal(first.title, "npm first");
assert.equal(first.supports_url_encoding, true);
assert.equal((await kv.get(first.id, account)).id, first.id);
await kv.create({ ...account, title: "npm second ☃" });
const titles = async (query) => (await all(kv.list({ ...account, ...query }))).map((it) => it.title);
assert.deepEqual(await titles({ order: "title", per_page: 1 }), ["npm first", "npm second ☃"]);
assert.deepEqual(await titles({ order: "title", direction: "desc" }), ["npm second ☃", "npm first"]);
assert.equal((await kv.update(first.id, { ...account, title: "renamed" })).title, "renamed");
await refused(Cloudflare.BadRequestError, () => kv.create({ ...account, title: "renamed" }), 10014);
const at = { ...account, namespace_id: first.id };

// Values, under names with every kind of letter.
const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const values = new Map([
  ["plain", Buffer.from("value")],
  ["a/b", Buffer.from("slash")],
  ["/", Buffer.from("only a slash")],
  ["..a/../b", Buffer.from("dots")],
  ["ä☃\u{1f30b}", Buffer.from("snow and fire")],
  [":!%?#&+%2F", Buffer.from("signs")],
  ["n".repeat(512), Buffer.from("the longest name")],
  ["bytes", every],
  ["empty", Buffer.alloc(0)],
  ["large", Buffer.alloc(5 << 20, "x")],
]);
for (const [name, value] of values) {
  await kv.values.update(name, { ...at, value: file(value) });
  assert.deepEqual(await bytes(kv.values.get(name, at)), value, name);
}
await kv.values.update("text", { ...at, value: "as text", metadata: '{"colour":"red","n":[1,2]}' });
assert.equal(await (await kv.values.get("text", at)).text(), "as text");
assert.deepEqual(await kv.metadata.get("text", at), { colour: "red", n: [1, 2] });
assert.equal(await kv.metadata.get("plain", at), null);
await kv.values.update("empty-text", { ...at, value: "" });
assert.equal(await (await kv.values.get("empty-text", at)).text(), "");
await refused(Cloudflare.NotFoundError, () => kv.values.get("absent", at), 10009);
await refused(Cloudflare.NotFoundError, () => kv.metadata.get("absent", at), 10009);
await refused(Cloudflare.APIError, () => kv.values.update("n".repeat(513), { ...at, value: "" }), 10030);
await refused(Cloudflare.BadRequestError, () => kv.values.update("a b", { ...at, value: "" }), 10042);

// An object as metadata is sent by this client in pieces, its numbers as text. It must not be lost
// without a word.
const pieces = { colour: "red" };
await refused(
  Cloudflare.BadRequestError,
  () => kv.values.update("pieces", { ...at, value: "v", metadata: pieces }),
  10047,
);
await refused(Cloudflare.NotFoundError, () => kv.values.get("pieces", at), 10009);

// Expiry.
await kv.values.update("short", { ...at, value: "v", expiration_ttl: 3600 });
const soon = Math.floor(Date.now() / 1000) + 3600;
const told = Number((await kv.values.get("short", at)).headers.get("expiration"));
assert.ok(Math.abs(told - soon) < 60, `${told}`);
await kv.values.update("short", { ...at, value: "v", expiration: soon + 1000 });
const [short] = await all(kv.keys.list(first.id, { ...account, prefix: "short" }));
assert.deepEqual(short, { name: "short", expiration: soon + 1000 });
const tooShort = { ...at, value: "v", expiration_ttl: 10 };
await refused(Cloudflare.BadRequestError, () => kv.values.update("short", tooShort), 10034);

// Lists.
const list = async (query) => all(kv.keys.list(first.id, { ...account, ...query }));
const names = (await list({ limit: 10 })).map((it) => it.name);
const expected = [...values.keys(), "text", "empty-text", "short"];
expected.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
assert.deepEqual(names, expected);
assert.deepEqual(await list({ prefix: "text" }), [
  { name: "text", metadata: { colour: "red", n: [1, 2] } },
]);
assert.deepEqual(await list({ prefix: "nothing begins so" }), []);
const page = await kv.keys.list(first.id, { ...account, limit: 10 });
assert.equal(page.result.length, 10);
assert.ok(page.hasNextPage());
assert.equal((await page.getNextPage()).result.length, 3);

// Many at once.
const number = (index) => `bulk/${String(index).padStart(3, "0")}`;
const pairs = Array.from({ length: 250 }, (_, index) => ({ key: number(index), value: `${index}` }));
pairs.push({ key: "bulk/raw", value: "AAEC", base64: true, metadata: { raw: true } });
pairs.push({ key: "bulk/short", value: "v", expiration_ttl: 3600 });
const done = await kv.keys.bulkUpdate(first.id, { ...account, body: pairs });
assert.deepEqual(done, { successful_key_count: 252, unsuccessful_keys: [] });
assert.deepEqual(await bytes(kv.values.get("bulk/raw", at)), Buffer.from([0, 1, 2]));
assert.equal((await list({ prefix: "bulk/", limit: 100 })).length, 252);
const keys = ["bulk/001", "bulk/249", "absent"];
const read = await kv.keys.bulkGet(first.id, { ...account, keys });
assert.deepEqual(read.values, { "bulk/001": "1", "bulk/249": "249", absent: null });
const json = await kv.keys.bulkGet(first.id, { ...account, keys, type: "json" });
assert.deepEqual(json.values, { "bulk/001": 1, "bulk/249": 249, absent: null });
const full = await kv.keys.bulkGet(first.id, { ...account, keys: ["bulk/raw"], withMetadata: true });
assert.deepEqual(full.values["bulk/raw"].metadata, { raw: true });
const many = Array.from({ length: 250 }, (_, index) => number(index));
const gone = await kv.keys.bulkDelete(first.id, { ...account, body: many });
assert.equal(gone.successful_key_count, 250);
assert.deepEqual((await list({ prefix: "bulk/" })).map((it) => it.name), ["bulk/raw", "bulk/short"]);

// The same calls under their older names.
await kv.bulkUpdate(first.id, { ...account, body: [{ key: "old", value: "v" }] });
const old = await kv.bulkGet(first.id, { ...account, keys: ["old"] });
assert.deepEqual(old.values, { old: "v" });
assert.equal((await kv.bulkDelete(first.id, { ...account, body: ["old"] })).successful_key_count, 1);

// Deleting.
for (const name of values.keys()) {
  await kv.values.delete(name, at);
  await refused(Cloudflare.NotFoundError, () => kv.values.get(name, at), 10009);
}
await kv.values.delete("never there", at);
await kv.delete(first.id, account);
await refused(Cloudflare.NotFoundError, () => kv.get(first.id, account), 10013);
await refused(Cloudflare.NotFoundError, () => kv.values.get("text", at), 10013);

// Not with another token.
const stranger = client.withOptions({ apiToken: "not-it" });
await refused(
  Cloudflare.AuthenticationError,
  () => stranger.kv.namespaces.create({ ...account, title: "x" }),
  10000,
);
console.log("the client's whole surface works");
