"""The official client of Workers KV, as it is, against a running lavawall.

Usage: workers_kv.py URL TOKEN_FILE
"""

import pathlib
import sys

import cloudflare

url, token_file = sys.argv[1:]
client = cloudflare.Cloudflare(
    base_url=f"{url}/client/v4",
    api_token=pathlib.Path(token_file).read_text().strip(),
    max_retries=0,
)
kv = client.kv.namespaces
account = "default"


def refused(kind, call, code):
    try:
        call()
    except kind as error:
        codes = [item["code"] for item in error.body["errors"]]
        assert codes == [code], codes
        return
    raise AssertionError(f"{kind.__name__} was expected")


# The account: one, on however many pages it is asked for.
assert [it.id for it in client.accounts.list()] == [account]
assert [it.status for it in client.memberships.list()] == ["accepted"]

# Namespaces.
first = kv.create(account_id=account, title="first")
assert first.title == "first" and first.supports_url_encoding
assert kv.get(first.id, account_id=account).id == first.id
kv.create(account_id=account, title="second")
titles = [it.title for it in kv.list(account_id=account, order="title", per_page=1)]
assert titles == ["first", "second"], titles
assert kv.update(first.id, account_id=account, title="renamed").title == "renamed"
refused(cloudflare.BadRequestError, lambda: kv.create(account_id=account, title="second"), 10014)
at = {"account_id": account, "namespace_id": first.id}

# Values, under names with every kind of letter.
for name, value in [
    ("plain", b"value"),
    ("a/b", b"slash"),
    ("\u00e4\u2603", b"snow"),
    (":!%?#&+", b"signs"),
    ("bytes", bytes(range(256))),
    ("empty", b""),
    ("large", b"x" * (5 << 20)),
]:
    kv.values.update(name, value=value, **at)
    got = kv.values.get(name, **at).read()
    assert got == value, name
kv.values.update("text", value=b"as text", metadata={"colour": "red", "n": [1, 2]}, **at)
assert kv.values.get("text", **at).read() == b"as text"
assert kv.metadata.get("text", **at) == {"colour": "red", "n": [1, 2]}
assert kv.metadata.get("plain", **at) is None
refused(cloudflare.NotFoundError, lambda: kv.values.get("absent", **at), 10009)
refused(cloudflare.NotFoundError, lambda: kv.metadata.get("absent", **at), 10009)

# Expiry.
kv.values.update("short", value=b"v", expiration_ttl=3600, **at)
assert int(kv.values.with_raw_response.get("short", **at).headers["expiration"]) > 0
too_short = lambda: kv.values.update("short", value=b"v", expiration_ttl=10, **at)
refused(cloudflare.BadRequestError, too_short, 10034)

# Lists.
names = [it.name for it in kv.keys.list(limit=10, **at)]
assert names == sorted(names, key=str.encode) and "a/b" in names and len(names) == 9, names
listed = {it.name: it for it in kv.keys.list(prefix="text", **at)}
assert list(listed) == ["text"] and listed["text"].metadata == {"colour": "red", "n": [1, 2]}

# Many at once.
pairs = [{"key": f"bulk/{number:03}", "value": str(number)} for number in range(250)]
pairs.append({"key": "bulk/raw", "value": "AAEC", "base64": True, "metadata": {"raw": True}})
done = kv.keys.bulk_update(body=pairs, **at)
assert done.successful_key_count == 251 and not done.unsuccessful_keys
assert kv.values.get("bulk/raw", **at).read() == bytes([0, 1, 2])
assert len(list(kv.keys.list(prefix="bulk/", limit=100, **at))) == 251
read = kv.keys.bulk_get(keys=["bulk/001", "bulk/249", "absent"], **at)
assert read.values["bulk/249"] == "249" and read.values["absent"] is None, read
read = kv.keys.bulk_get(keys=["bulk/001"], with_metadata=True, **at)
assert read.values["bulk/001"].value == "1", read
gone = kv.keys.bulk_delete(body=[f"bulk/{number:03}" for number in range(250)], **at)
assert gone.successful_key_count == 250
assert [it.name for it in kv.keys.list(prefix="bulk/", **at)] == ["bulk/raw"]

# Deleting.
kv.values.delete("plain", **at)
refused(cloudflare.NotFoundError, lambda: kv.values.get("plain", **at), 10009)
kv.delete(first.id, account_id=account)
refused(cloudflare.NotFoundError, lambda: kv.get(first.id, account_id=account), 10013)

# Not with another token.
stranger = client.with_options(api_token="not-it")
refused(
    cloudflare.AuthenticationError,
    lambda: stranger.kv.namespaces.create(account_id=account, title="x"),
    10000,
)
print("the client's whole surface works")
