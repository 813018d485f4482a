// Cloudflare's own command line from npm, as it is, against a running lavawall.
//
// Usage: wrangler.mjs URL TOKEN_FILE

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [url, tokenFile] = process.argv.slice(2);
const modules = join(dirname(fileURLToPath(import.meta.url)), "node_modules");
// It needs a newer Node.js than many systems have.
const node = join(modules, `node-linux-${arch()}`, "bin/node");
const folder = mkdtempSync(join(tmpdir(), "wrangler-"));
const token = readFileSync(tokenFile, "utf8").trim();
const settings = {
  PATH: process.env.PATH,
  HOME: folder,
  CI: "1",
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_API_BASE_URL: `${url}/client/v4`,
  CLOUDFLARE_ACCOUNT_ID: "default",
};

function run(credentials, ...args) {
  const command = [join(modules, "wrangler/bin/wrangler.js"), ...args];
  const env = { ...settings, ...credentials };
  const { status, stdout, stderr } = spawnSync(node, command, { cwd: folder, env, encoding: "utf8" });
  return { status, said: stdout, complained: `${stdout}${stderr}` };
}

function wrangler(...args) {
  const { status, said, complained } = run({ CLOUDFLARE_API_TOKEN: token }, ...args);
  assert.equal(status, 0, `${args.join(" ")}: ${complained}`);
  return said;
}

function refused(credentials, args, ...reasons) {
  const { status, complained } = run(credentials, ...args);
  assert.notEqual(status, 0, args.join(" "));
  for (const reason of reasons) assert.ok(complained.includes(reason), complained);
}

const file = (name, content) => {
  writeFileSync(join(folder, name), content);
  return name;
};
const mine = { CLOUDFLARE_API_TOKEN: token };
const kv = (...args) => wrangler("kv", ...args, "--remote");

// Who am I.
const me = wrangler("whoami");
assert.ok(me.includes("lavawall") && me.includes("default"), me);
const full = wrangler("whoami", "--account", "default");
assert.ok(full.includes("Super Administrator"), full);
refused({ CLOUDFLARE_API_TOKEN: "not-it" }, ["whoami"], "10000");
const key = { CLOUDFLARE_API_KEY: "k", CLOUDFLARE_EMAIL: "a@example.com" };
refused(key, ["kv", "namespace", "list"], "Authorization: Bearer");

// Namespaces.
wrangler("kv", "namespace", "create", "first");
const [{ id, title }] = JSON.parse(wrangler("kv", "namespace", "list"));
assert.equal(title, "first");
refused(mine, ["kv", "namespace", "create", "first"], "already exists");
wrangler("kv", "namespace", "rename", "--namespace-id", id, "--new-name", "renamed");
const at = ["--namespace-id", id];

// Values.
kv("key", "put", "plain", "value", ...at);
assert.equal(kv("key", "get", "plain", "--text", ...at).trim(), "value");
const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
kv("key", "put", "ä/b:!%", "--path", file("bytes", bytes), "--metadata", '{"n":1}', "--ttl", "3600", ...at);
const [named] = JSON.parse(kv("key", "list", "--prefix", "ä", ...at));
assert.equal(named.name, "ä/b:!%");
assert.deepEqual(named.metadata, { n: 1 });
assert.ok(named.expiration > Date.now() / 1000);
refused(mine, ["kv", "key", "get", "absent", "--remote", ...at], "404");
const put = ["kv", "key", "put", "--remote", ...at];
refused(mine, [...put, "a b", "v"], "10042");
refused(mine, [...put, "short", "v", "--ttl", "59"], "10034");

// Many at once.
const pairs = Array.from({ length: 25 }, (_, index) => ({ key: `bulk/${index}`, value: `${index}` }));
kv("bulk", "put", file("pairs.json", JSON.stringify(pairs)), ...at);
const read = kv("bulk", "get", file("names.json", JSON.stringify(["bulk/7", "absent"])), ...at);
assert.ok(read.includes("bulk/7"), read);
kv("bulk", "delete", file("gone.json", JSON.stringify(pairs.map((it) => it.key))), "--force", ...at);
assert.deepEqual(JSON.parse(kv("key", "list", ...at)).map((it) => it.name), ["plain", "ä/b:!%"]);
kv("key", "delete", "plain", ...at);
refused(mine, ["kv", "key", "get", "plain", "--remote", ...at], "404");

// Deleting.
wrangler("kv", "namespace", "delete", ...at, "--skip-confirmation");
assert.deepEqual(JSON.parse(wrangler("kv", "namespace", "list")), []);
rmSync(folder, { recursive: true });
console.log("wrangler's commands of the store work");
