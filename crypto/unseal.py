#!/usr/bin/env python3
"""unseal.py MASTER_KEY_FILE KEY_OBJECT SEALED_OBJECT > content: opens a sealed recording by SEALED.md alone, chunks of
tracks.sealed one after another. The object keeps its name (audio.wav.sealed). Needs the Python package `cryptography`."""
import hashlib, json, os, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

def derive(secret, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info.encode()).derive(secret)

def data_key(key_file, key_object, recording):
    word, digits = open(key_file).read().split()
    assert word == "recorder-master-key-v1", "not a master key file"
    wrap = json.load(open(key_object))
    kek = AESGCM(derive(bytes.fromhex(digits), None, "recorder/v1/wrap"))
    return kek.decrypt(bytes.fromhex(wrap["nonce"]), bytes.fromhex(wrap["wrapped"]), recording)
def objects(sealed, key, name):
    header, body, frame = sealed[:32], sealed[32:], 65536 + 28
    assert header[4:8] == b"\x01\x01\x10\x00" and header[24:] == hashlib.sha256(name.encode()).digest()[:8], "another name"
    gcm = AESGCM(derive(key, header[8:24], "recorder/v1/object/" + name))
    for number, at in enumerate(range(0, len(body), frame)):
        place = number.to_bytes(8, "big") + (b"\x01" if at + frame >= len(body) else b"\x00")
        yield gcm.decrypt(body[at:at + 12], body[at + 12:at + frame], header + place)

def chunks(sealed, key, recording):
    gcm = AESGCM(derive(key, recording, "recorder/v1/chunk"))
    while sealed:
        header, length = sealed[:52], int.from_bytes(sealed[48:52], "big") + 16
        yield gcm.decrypt(header[6:8] + header[24:28] + header[34:40], sealed[52:52 + length], header)
        sealed = sealed[52 + length:]

key_file, key_object, path = sys.argv[1:]
sealed = open(path, "rb").read()
sealed = sealed[32:] if sealed.startswith(b"RECSPOOL") else sealed
recording = sealed[8:24]  # the same place in both formats
key = data_key(key_file, key_object, recording)
opened = objects(sealed, key, os.path.basename(path)) if sealed[:4] == b"ROBJ" else chunks(sealed, key, recording)
for part in opened:
    sys.stdout.buffer.write(part)
