// A partner's page: it knows who the user is, makes a token that says so, and sends the
// browser back to the application with it. README.md says what to set.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Server.IISIntegration;

var builder = WebApplication.CreateBuilder(args);

string Setting(string name) => builder.Configuration[name] ?? ""; // environment or appsettings.json

var app = Setting("HANDOFF_APP").TrimEnd('/');
var legacy = Setting("HANDOFF_FORM") == "legacy";
var key = Convert.FromHexString(Setting("HANDOFF_KEY"));
var macKey = Convert.FromHexString(Setting("HANDOFF_MAC_KEY"));
var partner = Setting("HANDOFF_PARTNER");
var audience = Setting("HANDOFF_AUDIENCE");
var userFrom = Setting("HANDOFF_USER_FROM");
var nameFrom = Setting("HANDOFF_NAME_FROM");

if (app == "" || !Regex.IsMatch(userFrom, @"\A(remote-user|address|(header|fixed):.+)\z"))
    throw new InvalidOperationException("HANDOFF_APP is not set, or HANDOFF_USER_FROM is none of its ways");
if (!legacy && Setting("HANDOFF_FORM") != "modern")
    throw new InvalidOperationException("HANDOFF_FORM is neither legacy nor modern");
if (legacy ? key.Length is < 16 or > 56 || macKey.Length < 16 : key.Length != 32 || partner == "" || audience == "")
    throw new InvalidOperationException("a key has not the right length, or HANDOFF_PARTNER or HANDOFF_AUDIENCE is not set");

if (userFrom == "remote-user") builder.Services.AddAuthentication(IISDefaults.AuthenticationScheme);
var site = builder.Build();
if (userFrom == "remote-user") site.UseAuthentication();

site.MapGet("/sso", (HttpContext context) =>
{
    context.Response.Headers.CacheControl = "no-store";
    context.Response.Headers["Referrer-Policy"] = "no-referrer";
    var user = LookUp(context, userFrom);
    user = user[(user.LastIndexOf('\\') + 1)..].ToLowerInvariant(); // HOSPITAL\Alice is alice
    if (!Regex.IsMatch(user, @"\A[^\s\p{Z}\p{C}\ufffd|]{1,128}\z"))
        return Results.Text("We do not know who you are. Sign in to the intranet first, or ask your service desk.\n", statusCode: 403);
    var name = LookUp(context, nameFrom);
    if (!Regex.IsMatch(name, @"\A[^\p{C}\ufffd|]{1,64}\z")) name = "";
    // Never anywhere but to the application: whoever has a token is the user.
    var to = context.Request.Query["return_to"].ToString();
    if (!to.StartsWith(app + "/", StringComparison.Ordinal) || !Regex.IsMatch(to, @"\A[!-~]+\z")) to = app + "/";
    to = to.Split('#')[0];
    to += (to.Contains('?') ? "&" : "?") + (legacy ? LegacyToken(user, name) : ModernToken(user, name));
    return Results.Redirect(to);
});
site.Run();

// Finds out who asks. CHANGE it if your page knows that in another way; the name of a
// user must never belong to somebody else later.
static string LookUp(HttpContext context, string source)
{
    var parts = source.Split(':', 2);
    return parts[0] switch
    {
        "remote-user" => context.User.Identity?.Name ?? "",
        "header" => context.Request.Headers[parts[1]].ToString(),
        "fixed" => parts[1],
        "address" => context.Connection.RemoteIpAddress is { } a ? (a.IsIPv4MappedToIPv6 ? a.MapToIPv4() : a).ToString() : "",
        _ => "",
    };
}

// Blowfish in CBC mode, and HMAC-SHA256 over the token.
string LegacyToken(string user, string name)
{
    var text = Encoding.UTF8.GetBytes($"{DateTimeOffset.UtcNow.ToUnixTimeSeconds()}|{user}|{name}");
    var token = Base64Url(new Blowfish(key).EncryptCbc(RandomNumberGenerator.GetBytes(8), text));
    return $"token={token}&mac={Convert.ToHexString(HMACSHA256.HashData(macKey, Encoding.ASCII.GetBytes(token))).ToLowerInvariant()}";
}

// AES-256-GCM, which also proves for whom the token is.
string ModernToken(string user, string name)
{
    var text = JsonSerializer.SerializeToUtf8Bytes(new
    {
        ts = DateTimeOffset.UtcNow.ToUnixTimeSeconds(), sub = user, name, aud = audience,
        jti = Base64Url(RandomNumberGenerator.GetBytes(16)),
    });
    byte[] nonce = RandomNumberGenerator.GetBytes(12), tag = new byte[16], sealedText = new byte[text.Length];
    using var gcm = new AesGcm(key, tag.Length);
    gcm.Encrypt(nonce, text, sealedText, tag, Encoding.UTF8.GetBytes($"{partner}\n{audience}"));
    return "token=" + Base64Url([.. nonce, .. sealedText, .. tag]);
}

static string Base64Url(byte[] octets) => Convert.ToBase64String(octets).TrimEnd('=').Replace('+', '-').Replace('/', '_');
