"""A partner's page: it knows who the user is, makes a token that says so, and sends
the browser back to the application with it.

A WSGI application for any web server that runs one (application, below), or on its
own: python3 sso.py. README.md says what to set."""
import base64
import hashlib
import hmac
import json
import os
import re
import time
from urllib.parse import parse_qs, urlencode

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

APP = os.environ["HANDOFF_APP"].rstrip("/")
LEGACY = {"legacy": True, "modern": False}[os.environ["HANDOFF_FORM"]]
KEY = bytes.fromhex(os.environ["HANDOFF_KEY"])
MAC_KEY = bytes.fromhex(os.environ.get("HANDOFF_MAC_KEY", ""))
PARTNER = os.environ.get("HANDOFF_PARTNER", "")
AUDIENCE = os.environ.get("HANDOFF_AUDIENCE", "")
USER_FROM = os.environ["HANDOFF_USER_FROM"]
NAME_FROM = os.environ.get("HANDOFF_NAME_FROM", "")

if LEGACY:
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
    except ImportError:  # before cryptography 43
        from cryptography.hazmat.primitives.ciphers.algorithms import Blowfish
    if not 16 <= len(KEY) <= 56 or len(MAC_KEY) < 16:
        raise SystemExit("HANDOFF_KEY is not 16 to 56 bytes in hex, or HANDOFF_MAC_KEY is not 16 or more")
elif len(KEY) != 32 or not PARTNER or not AUDIENCE:
    raise SystemExit("HANDOFF_KEY is not 32 bytes in hex, or HANDOFF_PARTNER or HANDOFF_AUDIENCE is not set")

if not APP or not re.fullmatch("remote-user|address|(header|fixed):.+", USER_FROM):
    raise SystemExit("HANDOFF_APP is not set, or HANDOFF_USER_FROM is none of its ways")

HEADERS = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"), ("Content-Type", "text/plain; charset=utf-8"))


def application(environ, start_response):
    if environ["REQUEST_METHOD"] != "GET":
        start_response("405 Method Not Allowed", [*HEADERS, ("Allow", "GET")])
        return [b"This page is only opened by a link.\n"]
    user = look_up(environ, USER_FROM).rpartition("\\")[2].lower()  # HOSPITAL\Alice is alice
    if " " in user or not good(user, 128):
        start_response("403 Forbidden", [*HEADERS])
        return [b"We do not know who you are. Sign in to the intranet first, or ask your service desk.\n"]
    name = look_up(environ, NAME_FROM)
    if not good(name, 64):
        name = ""
    # Never anywhere but to the application: whoever has a token is the user.
    to = parse_qs(environ.get("QUERY_STRING", "")).get("return_to", [""])[0]
    if not to.startswith(APP + "/") or not re.fullmatch("[!-~]+", to):  # no line break gets into a header
        to = APP + "/"
    to = to.partition("#")[0]
    to += ("&" if "?" in to else "?") + urlencode(token(user, name))
    start_response("302 Found", [*HEADERS, ("Location", to)])
    return [b""]


def look_up(environ, source):
    """Finds out who asks. CHANGE it if your page knows that in another way; the name of
    a user must never belong to somebody else later."""
    kind, _, argument = source.partition(":")
    value = {
        "remote-user": environ.get("REMOTE_USER", ""),
        "header": environ.get("HTTP_" + argument.upper().replace("-", "_"), ""),
        "address": environ.get("REMOTE_ADDR", ""),
    }.get(kind, "")
    if kind == "fixed":
        return argument
    # WSGI hands over octets as characters (PEP 3333).
    return value.encode("latin-1").decode("utf-8", "replace")


def good(text, length):
    return 0 < len(text) <= length and text.isprintable() and not set(text) & set("|\ufffd")


def token(user, name):
    now = int(time.time())
    if LEGACY:
        padder = padding.PKCS7(64).padder()
        text = padder.update(f"{now}|{user}|{name}".encode()) + padder.finalize()
        iv = os.urandom(8)
        encryptor = Cipher(Blowfish(KEY), modes.CBC(iv)).encryptor()
        text = base64url(iv + encryptor.update(text) + encryptor.finalize())
        return {"token": text, "mac": hmac.new(MAC_KEY, text.encode(), hashlib.sha256).hexdigest()}
    text = json.dumps({"ts": now, "sub": user, "name": name, "aud": AUDIENCE, "jti": base64url(os.urandom(16))})
    nonce = os.urandom(12)
    return {"token": base64url(nonce + AESGCM(KEY).encrypt(nonce, text.encode(), f"{PARTNER}\n{AUDIENCE}".encode()))}


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    host, _, port = os.environ.get("HANDOFF_LISTEN", "127.0.0.1:8000").rpartition(":")
    make_server(host, int(port), application).serve_forever()
