"""pyhpke opens what a running lavawall seals, and cryptography checks its signature.

Usage: hpke.py URL TOKEN_FILE
"""

import base64
import json
import os
import pathlib
import struct
import sys
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

url, token_file = sys.argv[1:]
token = pathlib.Path(token_file).read_text().strip()
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def call(body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/seed", data, headers)) as answer:
        return json.load(answer)


def b64(data):
    return base64.b64encode(data).decode()


identity = base64.b64decode(call()["identity"])
suite = CipherSuite.new(
    KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305
)
pair = suite.kem.derive_key_pair(os.urandom(32))
public = pair.public_key.to_public_bytes()
seeds = set()
for length in (32, 48, 64):
    nonce = os.urandom(32)
    answer = call(
        {"suite": "x25519", "public_key": b64(public), "nonce": b64(nonce), "bytes": length}
    )
    enc, ciphertext, signature = (
        base64.b64decode(answer[name]) for name in ("enc", "ciphertext", "signature")
    )
    info = b"lavawall v1 seed" + identity + nonce
    message = b"lavawall v1 seed signature" + struct.pack(">HHH", 0x0020, 0x0001, 0x0003)
    for part in (public, info, enc, ciphertext):
        message += struct.pack(">H", len(part)) + part
    Ed25519PublicKey.from_public_bytes(identity).verify(signature, message)
    seed = suite.create_recipient_context(enc, pair.private_key, info=info).open(ciphertext)
    assert len(seed) == length, len(seed)
    seeds.add(seed)
    try:
        other = info[:-1] + bytes([info[-1] ^ 1])
        suite.create_recipient_context(enc, pair.private_key, info=other).open(ciphertext)
    except Exception:
        continue
    raise AssertionError("it opened with another nonce")
assert len(seeds) == 3
