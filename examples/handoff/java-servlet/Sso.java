import jakarta.servlet.ServletException;
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Locale;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * A partner's page: it knows who the user is, makes a token that says so, and sends the
 * browser back to the application with it. README.md says what to set.
 */
@WebServlet("/sso")
public class Sso extends HttpServlet {
    private static final SecureRandom RANDOM = new SecureRandom();

    private final String app = setting("HANDOFF_APP").replaceFirst("/$", "");
    private final String form = setting("HANDOFF_FORM");
    private final boolean legacy = form.equals("legacy");
    private final byte[] key = HexFormat.of().parseHex(setting("HANDOFF_KEY"));
    private final byte[] macKey = HexFormat.of().parseHex(setting("HANDOFF_MAC_KEY"));
    private final String partner = setting("HANDOFF_PARTNER");
    private final String audience = setting("HANDOFF_AUDIENCE");
    private final String userFrom = setting("HANDOFF_USER_FROM");
    private final String nameFrom = setting("HANDOFF_NAME_FROM");

    @Override
    public void init() throws ServletException {
        if (app.isEmpty() || !userFrom.matches("remote-user|address|(header|fixed):.+"))
            throw new ServletException("HANDOFF_APP is not set, or HANDOFF_USER_FROM is none of its ways");
        if (!legacy && !form.equals("modern"))
            throw new ServletException("HANDOFF_FORM is neither legacy nor modern");
        if (legacy && (key.length < 16 || key.length > 56 || macKey.length < 16))
            throw new ServletException("HANDOFF_KEY is not 16 to 56 bytes in hex, or HANDOFF_MAC_KEY is not 16 or more");
        if (!legacy && (key.length != 32 || partner.isEmpty() || audience.isEmpty()))
            throw new ServletException("HANDOFF_KEY is not 32 bytes in hex, or HANDOFF_PARTNER or HANDOFF_AUDIENCE is not set");
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws ServletException, IOException {
        response.setHeader("Cache-Control", "no-store");
        response.setHeader("Referrer-Policy", "no-referrer");
        String user = lookUp(request, userFrom);
        user = user.substring(user.lastIndexOf('\\') + 1).toLowerCase(Locale.ROOT); // HOSPITAL\Alice is alice
        if (!user.matches("[^\\s\\p{Z}\\p{C}\\x{fffd}|]{1,128}")) {
            response.setStatus(HttpServletResponse.SC_FORBIDDEN);
            response.setContentType("text/plain;charset=utf-8");
            response.getWriter().println("We do not know who you are. Sign in to the intranet first, or ask your service desk.");
            return;
        }
        String name = lookUp(request, nameFrom);
        if (!name.matches("[^\\p{C}\\x{fffd}|]{1,64}"))
            name = "";
        // Never anywhere but to the application: whoever has a token is the user.
        String to = request.getParameter("return_to");
        if (to == null || !to.startsWith(app + "/") || !to.matches("[!-~]+"))
            to = app + "/";
        to = to.split("#", 2)[0];
        try {
            to += (to.contains("?") ? "&" : "?") + token(user, name);
        } catch (GeneralSecurityException e) {
            throw new ServletException(e);
        }
        response.setStatus(HttpServletResponse.SC_FOUND);
        response.setHeader("Location", to);
    }

    /**
     * Finds out who asks. CHANGE it if your page knows that in another way; the name of a
     * user must never belong to somebody else later.
     */
    private static String lookUp(HttpServletRequest request, String source) {
        String[] parts = source.split(":", 2);
        String found = switch (parts[0]) {
            case "remote-user" -> request.getRemoteUser();
            case "header" -> utf8(request.getHeader(parts[1]));
            case "fixed" -> parts[1];
            case "address" -> request.getRemoteAddr();
            default -> "";
        };
        return found == null ? "" : found;
    }

    /** Reads a header anew whose octets the container took for Latin characters, as Tomcat does. */
    private static String utf8(String header) {
        return header == null || header.chars().anyMatch(c -> c > 0xff) ? header : new String(header.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    }

    private String token(String user, String name) throws GeneralSecurityException {
        long now = Instant.now().getEpochSecond();
        if (legacy) {
            byte[] iv = random(8);
            Cipher cipher = Cipher.getInstance("Blowfish/CBC/PKCS5Padding");
            cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "Blowfish"), new IvParameterSpec(iv));
            String token = base64url(join(iv, cipher.doFinal(octets(now + "|" + user + "|" + name))));
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(macKey, "HmacSHA256"));
            return "token=" + token + "&mac=" + HexFormat.of().formatHex(mac.doFinal(octets(token)));
        }
        String text = "{\"ts\":" + now + ",\"sub\":" + quoted(user) + ",\"name\":" + quoted(name)
                + ",\"aud\":" + quoted(audience) + ",\"jti\":\"" + base64url(random(16)) + "\"}";
        byte[] nonce = random(12);
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, nonce));
        cipher.updateAAD(octets(partner + "\n" + audience));
        return "token=" + base64url(join(nonce, cipher.doFinal(octets(text))));
    }

    /** A JSON string. There are no control characters in it (RFC 8259, section 7). */
    private static String quoted(String s) {
        return '"' + s.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static byte[] octets(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] random(int n) {
        byte[] octets = new byte[n];
        RANDOM.nextBytes(octets);
        return octets;
    }

    private static byte[] join(byte[] a, byte[] b) {
        return ByteBuffer.allocate(a.length + b.length).put(a).put(b).array();
    }

    private static String base64url(byte[] octets) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(octets);
    }

    private static String setting(String name) {
        String value = System.getenv(name);
        return value == null ? "" : value;
    }
}
