import java.nio.file.*;
import java.util.*;
import javax.crypto.*;
import javax.crypto.spec.*;
import static java.nio.charset.StandardCharsets.UTF_8;

/** Makes the tokens of cases.tsv with Java's own ciphers. */
public class Vectors {
    static final HexFormat HEX = HexFormat.of();

    static String b64u(byte[] b) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(b);
    }

    static byte[] hmac(byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(UTF_8));
    }

    static byte[] gcm(byte[] key, byte[] iv, byte[] aad, byte[] plain) throws Exception {
        Cipher c = Cipher.getInstance("AES/GCM/NoPadding");
        c.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
        c.updateAAD(aad);
        return c.doFinal(plain);
    }

    static byte[] block(String cipher, String mode, byte[] key, byte[] iv, String padding, byte[] plain) throws Exception {
        String name = Map.of("blowfish", "Blowfish", "triple-des", "DESede", "aes-cbc", "AES").get(cipher);
        int size = name.equals("AES") ? 16 : 8;
        boolean zero = padding.equals("zero");
        if (zero) plain = Arrays.copyOf(plain, (plain.length + size - 1) / size * size);
        Cipher c = Cipher.getInstance(name + "/" + mode.toUpperCase() + (zero ? "/NoPadding" : "/PKCS5Padding"));
        SecretKeySpec k = new SecretKeySpec(key, name);
        if (mode.equals("ecb")) c.init(Cipher.ENCRYPT_MODE, k);
        else c.init(Cipher.ENCRYPT_MODE, k, new IvParameterSpec(iv));
        return c.doFinal(plain);
    }

    static byte[] join(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    public static void main(String[] args) throws Exception {
        var out = new java.io.PrintStream(System.out, true, UTF_8);
        for (String line : Files.readAllLines(Path.of(args[0]), UTF_8)) {
            if (line.startsWith("#")) continue;
            String[] f = line.split("\t");
            byte[] key = HEX.parseHex(f[3]), iv = HEX.parseHex(f[4].replace("-", "")), plain = f[10].getBytes(UTF_8);
            byte[] aad = f[9].replace("\\n", "\n").getBytes(UTF_8);
            String token;
            if (f[1].equals("jwt")) {
                String text = b64u(aad) + "." + b64u(plain);
                token = text + "." + b64u(hmac(key, text));
            } else if (f[1].equals("jwe")) {
                byte[] sealed = gcm(key, iv, b64u(aad).getBytes(UTF_8), plain);
                int n = sealed.length - 16;
                token = String.join(".", b64u(aad), "", b64u(iv), b64u(Arrays.copyOf(sealed, n)), b64u(Arrays.copyOfRange(sealed, n, n + 16)));
            } else {
                byte[] sealed = f[1].equals("aes-gcm") ? gcm(key, iv, aad, plain) : block(f[1], f[2], key, iv, f[6], plain);
                if (f[5].equals("prefix")) sealed = join(iv, sealed);
                token = switch (f[7]) {
                    case "hex" -> HEX.formatHex(sealed);
                    case "base64" -> Base64.getEncoder().encodeToString(sealed);
                    default -> b64u(sealed);
                };
            }
            String mac = f[8].equals("-") ? "-" : HEX.formatHex(hmac(HEX.parseHex(f[8]), token));
            out.println(f[0] + " " + token + " " + mac);
        }
    }
}
