"""Kubernetes KMS v2 by gRPC's own client, with the authority that it makes of the socket's path and another."""

import os
import sys
import uuid

import grpc

sys.path.insert(0, os.path.dirname(__file__))
messages, services = grpc.protos_and_services("kms_v2.proto")

socket, rotate = sys.argv[1], sys.argv[2:]
DOMAIN = ".lavawall.internal"


def plugin(options):
    channel = grpc.insecure_channel("unix://" + socket, options=options)
    return services.KeyManagementServiceStub(channel)


def seal(stub, text):
    request = messages.EncryptRequest(plaintext=text, uid=str(uuid.uuid4()))
    return stub.Encrypt(request, timeout=3)


def request_of(sealed, **changed):
    fields = dict(
        ciphertext=sealed.ciphertext,
        uid=str(uuid.uuid4()),
        key_id=sealed.key_id,
        annotations=dict(sealed.annotations),
    )
    return messages.DecryptRequest(**{**fields, **changed})


def refused(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
    else:
        raise AssertionError(f"not refused with {code}")


default = plugin([])
local = plugin([("grpc.default_authority", "localhost")])
for stub in (default, local):
    for _ in range(3):
        status = stub.Status(messages.StatusRequest(), timeout=3, wait_for_ready=True)
        assert (status.version, status.healthz) == ("v2", "ok"), status
        assert 0 < len(status.key_id) <= 1024
    sealed = seal(stub, b"seed")
    assert sealed.key_id == status.key_id
    assert 0 < len(sealed.ciphertext) <= 1024
    assert all(name.endswith(DOMAIN) for name in sealed.annotations), sealed
    assert seal(stub, b"seed").ciphertext != sealed.ciphertext
    for other in (default, local):
        assert other.Decrypt(request_of(sealed), timeout=3).plaintext == b"seed"
    refused(grpc.StatusCode.NOT_FOUND, lambda: stub.Decrypt(request_of(sealed, key_id="0"), timeout=3))
    changed = request_of(sealed, annotations={})
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.Decrypt(changed, timeout=3))
    changed = request_of(sealed, ciphertext=sealed.ciphertext[:-1])
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.Decrypt(changed, timeout=3))
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: seal(stub, b""))
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: seal(stub, b"x" * 1000))

# A burst, as after a start of kube-apiserver.
stored = [(seal(local, str(n).encode()), str(n).encode()) for n in range(100)]
calls = [(local.Decrypt.future(request_of(sealed), timeout=30), text) for sealed, text in stored * 10]
assert all(call.result().plaintext == text for call, text in calls)

# A rotation: another id, and what was sealed before opens.
before = local.Status(messages.StatusRequest(), timeout=3).key_id
assert os.spawnv(os.P_WAIT, rotate[0], rotate) == 0
after = default.Status(messages.StatusRequest(), timeout=3).key_id
assert before != after
assert seal(default, b"new").key_id == after
for sealed, text in stored:
    assert default.Decrypt(request_of(sealed), timeout=3).plaintext == text
