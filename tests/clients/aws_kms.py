"""boto3 against a service of this program: the operations of AWS KMS."""

import sys

import boto3
import botocore.exceptions

url, key_id, secret = sys.argv[1:4]
client = boto3.client(
    "kms",
    endpoint_url=url,
    region_name="lavawall",
    aws_access_key_id=key_id,
    aws_secret_access_key=secret,
)


def refused(code, call):
    try:
        call()
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response["Error"]["Message"]
    raise AssertionError(f"not refused with {code}")


assert len(client.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
refused("ValidationException", lambda: client.generate_random(NumberOfBytes=1025))

made = client.create_key(Description="a test")["KeyMetadata"]
name, arn = made["KeyId"], made["Arn"]
assert made["KeyState"] == "Enabled" and made["KeyUsage"] == "ENCRYPT_DECRYPT"
assert client.describe_key(KeyId=arn)["KeyMetadata"]["Description"] == "a test"
assert [key["KeyId"] for key in client.list_keys()["Keys"]] == [name]
assert client.get_paginator("list_keys").paginate().build_full_result()["Keys"]

client.create_alias(AliasName="alias/app", TargetKeyId=name)
assert client.list_aliases(KeyId=name)["Aliases"][0]["AliasName"] == "alias/app"
refused(
    "AlreadyExistsException",
    lambda: client.create_alias(AliasName="alias/app", TargetKeyId=name),
)

context = {"for": "a test"}
sealed = client.encrypt(KeyId="alias/app", Plaintext=b"hello", EncryptionContext=context)
assert sealed["KeyId"] == arn
blob = sealed["CiphertextBlob"]
assert client.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"hello"
try:
    client.decrypt(CiphertextBlob=blob)
    raise AssertionError("opened without its context")
except client.exceptions.InvalidCiphertextException:
    pass

for asked, size in [({"KeySpec": "AES_256"}, 32), ({"NumberOfBytes": 64}, 64)]:
    made = client.generate_data_key(KeyId=name, **asked)
    assert len(made["Plaintext"]) == size
    assert client.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
made = client.generate_data_key_without_plaintext(KeyId=name, KeySpec="AES_128")
assert "Plaintext" not in made

other = client.create_key()["KeyMetadata"]["KeyId"]
moved = client.re_encrypt(
    CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=other
)
assert client.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=other)["Plaintext"] == b"hello"
refused(
    "IncorrectKeyException",
    lambda: client.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=name),
)

client.enable_key_rotation(KeyId=name, RotationPeriodInDays=90)
assert client.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"] is True
client.rotate_key_on_demand(KeyId=name)
assert client.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"hello"
client.disable_key_rotation(KeyId=name)

client.disable_key(KeyId=other)
refused("DisabledException", lambda: client.encrypt(KeyId=other, Plaintext=b"x"))
client.enable_key(KeyId=other)
client.update_key_description(KeyId=other, Description="another")
date = client.schedule_key_deletion(KeyId=other, PendingWindowInDays=7)["DeletionDate"]
assert date.year >= 2026
refused("KMSInvalidStateException", lambda: client.encrypt(KeyId=other, Plaintext=b"x"))
client.cancel_key_deletion(KeyId=other)
client.update_alias(AliasName="alias/app", TargetKeyId=other)
client.delete_alias(AliasName="alias/app")
refused("NotFoundException", lambda: client.describe_key(KeyId="alias/app"))

for bits in [224, 256, 384, 512]:
    spec, algorithm = f"HMAC_{bits}", f"HMAC_SHA_{bits}"
    made = client.create_key(KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]
    asked = {"KeyId": made["KeyId"], "Message": b"message", "MacAlgorithm": algorithm}
    mac = client.generate_mac(**asked)["Mac"]
    assert len(mac) == bits // 8
    assert client.verify_mac(Mac=mac, **asked)["MacValid"] is True
    refused("KMSInvalidMacException", lambda: client.verify_mac(Mac=mac[:-1] + b"x", **asked))

wrong = boto3.client(
    "kms",
    endpoint_url=url,
    region_name="lavawall",
    aws_access_key_id=key_id,
    aws_secret_access_key="x" * 40,
)
try:
    wrong.list_keys()
    raise AssertionError("answered to another secret")
except botocore.exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "InvalidSignatureException", error
