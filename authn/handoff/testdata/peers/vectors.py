# Makes the tokens of cases.tsv with Python's cryptography, and prints them as
# vectors.txt has them: name, token, mac (or -).
import base64, hashlib, hmac, sys
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish, TripleDES
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import Blowfish, TripleDES


def b64u(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def wire(kind, b):
    return {"hex": b.hex, "base64": lambda: base64.b64encode(b).decode()}.get(kind, lambda: b64u(b))()


def block(cipher, mode, key, iv, padding, plain):
    algorithm = {"blowfish": Blowfish, "triple-des": TripleDES, "aes-cbc": algorithms.AES}[cipher](key)
    size = algorithm.block_size // 8
    n = size - len(plain) % size
    plain += bytes([n]) * n if padding == "pkcs5" else bytes(n % size)
    e = Cipher(algorithm, modes.ECB() if mode == "ecb" else modes.CBC(iv)).encryptor()
    return e.update(plain) + e.finalize()


for line in open(sys.argv[1], encoding="utf-8"):
    if line.startswith("#"):
        continue
    name, cipher, mode, key, iv, where, padding, kind, mac_key, aad, plain = line.rstrip("\n").split("\t")
    key, iv, plain = bytes.fromhex(key), bytes.fromhex(iv.strip("-")), plain.encode()
    aad, mac = aad.replace("\\n", "\n").encode(), "-"
    if cipher == "jwt":
        text = b64u(aad) + "." + b64u(plain)
        token = text + "." + b64u(hmac.new(key, text.encode(), hashlib.sha256).digest())
    elif cipher == "jwe":
        sealed = AESGCM(key).encrypt(iv, plain, b64u(aad).encode())
        token = ".".join([b64u(aad), "", b64u(iv), b64u(sealed[:-16]), b64u(sealed[-16:])])
    else:
        sealed = AESGCM(key).encrypt(iv, plain, aad) if cipher == "aes-gcm" else block(cipher, mode, key, iv, padding, plain)
        token = wire(kind, (iv if where == "prefix" else b"") + sealed)
    if mac_key != "-":
        mac = hmac.new(bytes.fromhex(mac_key), token.encode(), hashlib.sha256).hexdigest()
    print(name, token, mac)
