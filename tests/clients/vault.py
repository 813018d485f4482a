"""hvac against a service of this program: random bytes and the transit engine."""

import base64
import os
import subprocess
import sys

import hvac

url, token_file = sys.argv[1:3]
token = open(token_file).read().strip()
client = hvac.Client(url=url, token=token)
transit = client.secrets.transit


def b64(text):
    return base64.b64encode(text).decode()


def refused(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"not refused with {kind}")


assert client.is_authenticated()
assert client.sys.read_health_status(method="GET")["sealed"] is False
assert client.sys.read_health_status(method="HEAD").status_code == 200
assert client.sys.is_sealed() is False
assert client.sys.is_initialized() is True
assert client.auth.token.lookup_self()["data"]["policies"] == ["operator"]

random = transit.generate_random_bytes(n_bytes=48)["data"]["random_bytes"]
assert len(base64.b64decode(random)) == 48
random = transit.generate_random_bytes(n_bytes=9, output_format="hex")["data"]["random_bytes"]
assert len(bytes.fromhex(random)) == 9
answer = client.write("sys/tools/random/16", format="hex")
assert len(answer["data"]["random_bytes"]) == 32

refused(hvac.exceptions.InvalidPath, lambda: transit.read_key("missing"))
refused(hvac.exceptions.InvalidPath, transit.list_keys)
for kind in ["aes256-gcm96", "chacha20-poly1305"]:
    name = f"key-of-{kind}"
    transit.create_key(name, key_type=kind, exportable=True)
    assert transit.read_key(name)["data"]["type"] == kind
    sealed = transit.encrypt_data(name, b64(b"hello"), associated_data=b64(b"data"))
    sealed = sealed["data"]["ciphertext"]
    assert sealed.startswith("vault:v1:")
    opened = transit.decrypt_data(name, sealed, associated_data=b64(b"data"))
    assert opened["data"]["plaintext"] == b64(b"hello")
    text = refused(hvac.exceptions.InvalidRequest, lambda: transit.decrypt_data(name, sealed))
    assert "message authentication failed" in text
    sealed = transit.encrypt_data(name, b64(b"hello"))["data"]["ciphertext"]
    transit.rotate_key(name)
    sealed = transit.rewrap_data(name, sealed)["data"]["ciphertext"]
    assert sealed.startswith("vault:v2:")
    items = [{"plaintext": b64(bytes([at]))} for at in range(5)]
    batch = transit.encrypt_data(name, batch_input=items)["data"]["batch_results"]
    items = [{"ciphertext": item["ciphertext"]} for item in batch]
    batch = transit.decrypt_data(name, batch_input=items)["data"]["batch_results"]
    assert [item["plaintext"] for item in batch] == [b64(bytes([at])) for at in range(5)]
    shown = transit.generate_data_key(name, "plaintext", bits=512)["data"]
    assert transit.decrypt_data(name, shown["ciphertext"])["data"]["plaintext"] == shown["plaintext"]
    assert "plaintext" not in transit.generate_data_key(name, "wrapped")["data"]
    mac = transit.generate_hmac(name, b64(b"hello"), algorithm="sha2-512")["data"]["hmac"]
    checked = transit.verify_signed_data(
        name, b64(b"hello"), hmac=mac, hash_algorithm="sha2-512", signature_algorithm=None
    )
    assert checked["data"]["valid"] is True
    assert sorted(transit.export_key(name, "encryption-key")["data"]["keys"]) == ["1", "2"]
    transit.rotate_key(name)
    transit.update_key_configuration(name, min_decryption_version=2, min_encryption_version=3)
    transit.trim_key(name, min_version=2)
    assert list(transit.read_key(name)["data"]["keys"]) == ["2", "3"]
    refused(hvac.exceptions.InvalidRequest, lambda: transit.delete_key(name))
    transit.update_key_configuration(name, deletion_allowed=True)
    transit.delete_key(name)

transit.create_key("derived", derived=True)
sealed = transit.encrypt_data("derived", b64(b"hello"), context=b64(b"c"))["data"]["ciphertext"]
assert transit.decrypt_data("derived", sealed, context=b64(b"c"))["data"]["plaintext"] == b64(b"hello")
refused(hvac.exceptions.InvalidRequest, lambda: transit.decrypt_data("derived", sealed))
assert transit.list_keys()["data"]["keys"] == ["derived"]
assert transit.hash_data(b64(b"hello"), algorithm="sha2-256", output_format="hex")["data"]["sum"]


def sign(name, **more):
    return transit.sign_data(name, hash_input=b64(b"hello"), **more)["data"]["signature"]


def valid(name, signature, text=b"hello", **more):
    answer = transit.verify_signed_data(name, hash_input=b64(text), signature=signature, **more)
    return answer["data"]["valid"]


for kind in ["ed25519", "ecdsa-p256"]:
    name = f"key-of-{kind}"
    transit.create_key(name, key_type=kind, exportable=True)
    shown = transit.read_key(name)["data"]
    assert shown["supports_signing"] is True and shown["supports_encryption"] is False
    first = sign(name)
    assert valid(name, first) is True
    assert valid(name, first, text=b"hella") is False
    transit.rotate_key(name)
    second = sign(name, hash_algorithm="sha2-512")
    assert second.startswith("vault:v2:")
    assert valid(name, first) is True
    assert valid(name, second, hash_algorithm="sha2-512") is True
    jws = sign(name, marshaling_algorithm="jws")
    assert valid(name, jws, marshaling_algorithm="jws") is True
    assert sorted(transit.export_key(name, "signing-key")["data"]["keys"]) == ["1", "2"]
    assert sorted(transit.read_key(name)["data"]["keys"]) == ["1", "2"]
    subprocess.run([os.environ["LAVAWALL"], "keys", "revoke", name, "1"], check=True)
    assert "revoked" in refused(hvac.exceptions.InvalidRequest, lambda: valid(name, first))
    assert valid(name, second, hash_algorithm="sha2-512") is True
    assert list(transit.read_key(name)["data"]["keys"]) == ["2"]
    refused(hvac.exceptions.InvalidRequest, lambda: transit.encrypt_data(name, b64(b"hello")))
refused(hvac.exceptions.InvalidRequest, lambda: sign("derived"))

stranger = hvac.Client(url=url, token="unknown")
refused(hvac.exceptions.Forbidden, lambda: stranger.secrets.transit.read_key("derived"))
