<%@ WebHandler Language="C#" Class="Token" %>
using System;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Web;
using System.Web.Configuration;
using System.Web.Script.Serialization;

/// <summary>
/// A partner's page: it knows who the user is, makes a token that says so, and sends the
/// browser back to the application with it. README.md says what to set.
/// </summary>
public class Token : IHttpHandler
{
    static readonly UTF8Encoding Utf8 = new UTF8Encoding(false);

    static readonly string App = Setting("HANDOFF_APP").TrimEnd('/');
    static readonly bool Legacy = Setting("HANDOFF_FORM") == "legacy";
    static readonly byte[] Key = Octets(Setting("HANDOFF_KEY"));
    static readonly byte[] MacKey = Octets(Setting("HANDOFF_MAC_KEY"));
    static readonly string Partner = Setting("HANDOFF_PARTNER");
    static readonly string Audience = Setting("HANDOFF_AUDIENCE");
    static readonly string UserFrom = Setting("HANDOFF_USER_FROM");
    static readonly string NameFrom = Setting("HANDOFF_NAME_FROM");

    public bool IsReusable { get { return true; } }

    public void ProcessRequest(HttpContext context)
    {
        HttpResponse response = context.Response;
        response.Cache.SetCacheability(HttpCacheability.NoCache);
        response.Cache.SetNoStore();
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.ContentType = "text/plain; charset=utf-8";
        Check();
        if (context.Request.HttpMethod != "GET")
        {
            Answer(response, 405, "This page is only opened by a link.\n");
            return;
        }
        string user = LookUp(context.Request, UserFrom);
        user = user.Substring(user.LastIndexOf('\\') + 1).ToLowerInvariant(); // HOSPITAL\Alice is alice
        if (!Regex.IsMatch(user, @"\A[^\s\p{Z}\p{C}\ufffd|]{1,128}\z"))
        {
            Answer(response, 403, "We do not know who you are. Sign in to the intranet first, or ask your service desk.\n");
            return;
        }
        string name = LookUp(context.Request, NameFrom);
        if (!Regex.IsMatch(name, @"\A[^\p{C}\ufffd|]{1,64}\z")) name = "";
        // Never anywhere but to the application: whoever has a token is the user.
        string to = context.Request.Unvalidated.QueryString["return_to"] ?? "";
        if (!to.StartsWith(App + "/", StringComparison.Ordinal) || !Regex.IsMatch(to, @"\A[!-~]+\z")) to = App + "/";
        to = to.Split('#')[0];
        to += (to.Contains("?") ? "&" : "?") + (Legacy ? LegacyToken(user, name) : JwtToken(user, name));
        response.StatusCode = 302;
        response.RedirectLocation = to;
    }

    // Finds out who asks. CHANGE it if your page knows that in another way; the name of a
    // user must never belong to somebody else later.
    static string LookUp(HttpRequest request, string source)
    {
        string[] parts = (source + ":").Split(new[] { ':' }, 2);
        string argument = parts[1].TrimEnd(':');
        switch (parts[0])
        {
            case "remote-user": return request.ServerVariables["REMOTE_USER"] ?? "";
            case "header": return request.Unvalidated.Headers[argument] ?? "";
            case "fixed": return argument;
            case "address": return request.UserHostAddress;
            default: return "";
        }
    }

    // Blowfish in CBC mode, and HMAC-SHA256 over the token.
    static string LegacyToken(string user, string name)
    {
        byte[] text = Utf8.GetBytes(Now() + "|" + user + "|" + name);
        string token = Base64Url(new Blowfish(Key).EncryptCbc(Random(8), text));
        return "token=" + token + "&mac=" + string.Concat(Hmac(MacKey, token).Select(b => b.ToString("x2")));
    }

    // A JSON Web Token (RFC 7519), signed with HMAC-SHA256: .NET Framework has no AES-GCM.
    static string JwtToken(string user, string name)
    {
        long now = Now();
        var json = new JavaScriptSerializer();
        string head = json.Serialize(new { alg = "HS256", typ = "JWT" });
        string body = json.Serialize(new { iss = Partner, sub = user, name, aud = Audience, iat = now, exp = now + 120, jti = Base64Url(Random(16)) });
        string token = Base64Url(Utf8.GetBytes(head)) + "." + Base64Url(Utf8.GetBytes(body));
        return "token=" + token + "." + Base64Url(Hmac(Key, token));
    }

    static long Now()
    {
        return (DateTime.UtcNow - new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)).Ticks / TimeSpan.TicksPerSecond;
    }

    static byte[] Hmac(byte[] key, string text)
    {
        using (var hmac = new HMACSHA256(key)) return hmac.ComputeHash(Utf8.GetBytes(text));
    }

    static byte[] Random(int n)
    {
        var octets = new byte[n];
        using (var random = RandomNumberGenerator.Create()) random.GetBytes(octets);
        return octets;
    }

    static string Base64Url(byte[] octets)
    {
        return Convert.ToBase64String(octets).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    static void Answer(HttpResponse response, int status, string words)
    {
        response.TrySkipIisCustomErrors = true;
        response.StatusCode = status;
        response.Write(words);
    }

    static void Check()
    {
        if (App == "" || !Regex.IsMatch(UserFrom, @"\A(remote-user|address|(header|fixed):.+)\z"))
            throw new InvalidOperationException("HANDOFF_APP is not set, or HANDOFF_USER_FROM is none of its ways");
        if (!Legacy && Setting("HANDOFF_FORM") != "modern") throw new InvalidOperationException("HANDOFF_FORM is neither legacy nor modern");
        if (Legacy ? Key.Length < 16 || Key.Length > 56 || MacKey.Length < 16 : Key.Length < 32 || Partner == "" || Audience == "")
            throw new InvalidOperationException("a key is missing or too short, or HANDOFF_PARTNER or HANDOFF_AUDIENCE is not set");
    }

    // A setting is in web.config, below appSettings, or in the environment.
    static string Setting(string name)
    {
        return WebConfigurationManager.AppSettings[name] ?? Environment.GetEnvironmentVariable(name) ?? "";
    }

    static byte[] Octets(string hex)
    {
        if (hex.Length % 2 != 0) throw new FormatException("a key is not hex");
        return Enumerable.Range(0, hex.Length / 2).Select(i => byte.Parse(hex.Substring(2 * i, 2), NumberStyles.HexNumber)).ToArray();
    }
}
