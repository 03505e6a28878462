// Makes the tokens of cases.tsv with Node's crypto. Blowfish needs
// --openssl-legacy-provider, and OpenSSL takes no key of it but of 128 bits.
import { createCipheriv, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const b64u = (b) => Buffer.from(b).toString("base64url");
const ciphers = { blowfish: "bf", "triple-des": "des-ede3", "aes-cbc": "aes" };

function block(cipher, mode, key, iv, padding, plain) {
  let name = ciphers[cipher];
  if (name === "aes") name = `aes-${key.length * 8}`;
  const size = cipher === "aes-cbc" ? 16 : 8;
  const c = createCipheriv(`${name}${name === "des-ede3" && mode === "ecb" ? "" : "-" + mode}`, key, mode === "ecb" ? null : iv);
  if (padding === "zero") {
    c.setAutoPadding(false);
    plain = Buffer.concat([plain, Buffer.alloc((size - (plain.length % size)) % size)]);
  }
  return Buffer.concat([c.update(plain), c.final()]);
}

function gcm(key, iv, aad, plain) {
  const c = createCipheriv(`aes-${key.length * 8}-gcm`, key, iv);
  c.setAAD(aad);
  return [Buffer.concat([c.update(plain), c.final()]), c.getAuthTag()];
}

for (const line of readFileSync(process.argv[2], "utf8").trimEnd().split("\n")) {
  if (line.startsWith("#")) continue;
  const [name, cipher, mode, k, i, where, padding, kind, macKey, a, p] = line.split("\t");
  const key = Buffer.from(k, "hex"), iv = Buffer.from(i.replace("-", ""), "hex"), plain = Buffer.from(p);
  const aad = Buffer.from(a.replace("\\n", "\n"));
  if (cipher === "blowfish" && key.length !== 16) continue;
  let token;
  if (cipher === "jwt") {
    const text = `${b64u(aad)}.${b64u(plain)}`;
    token = `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  } else if (cipher === "jwe") {
    const [sealed, tag] = gcm(key, iv, Buffer.from(b64u(aad)), plain);
    token = [b64u(aad), "", b64u(iv), b64u(sealed), b64u(tag)].join(".");
  } else {
    const sealed = cipher === "aes-gcm" ? Buffer.concat(gcm(key, iv, aad, plain)) : block(cipher, mode, key, iv, padding, plain);
    token = Buffer.concat([where === "prefix" ? iv : Buffer.alloc(0), sealed]).toString(kind);
  }
  const mac = macKey === "-" ? "-" : createHmac("sha256", Buffer.from(macKey, "hex")).update(token).digest("hex");
  console.log(name, token, mac);
}
