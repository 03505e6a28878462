<?php
// A partner's page: it knows who the user is, makes a token that says so, and sends
// the browser back to the application with it. README.md says what to set.
declare(strict_types=1);

const HEADERS = ['Cache-Control: no-store', 'Referrer-Policy: no-referrer', 'Content-Type: text/plain; charset=utf-8'];

$app = rtrim(setting('HANDOFF_APP'), '/');
if ($_SERVER['REQUEST_METHOD'] !== 'GET') {
    answer(405, "This page is only opened by a link.\n");
}
$user = (string) look_up(setting('HANDOFF_USER_FROM'));
$user = strtolower(substr('\\' . $user, strrpos('\\' . $user, '\\') + 1)); // HOSPITAL\Alice is alice
if (preg_match('/^[^\s\p{Z}\p{C}\x{fffd}|]{1,128}$/Du', $user) !== 1) {
    answer(403, "We do not know who you are. Sign in to the intranet first, or ask your service desk.\n");
}
$name = look_up(setting('HANDOFF_NAME_FROM', ''));
if (preg_match('/^[^\p{C}\x{fffd}|]{1,64}$/Du', $name) !== 1) {
    $name = '';
}
// Never anywhere but to the application: whoever has a token is the user.
$to = $_GET['return_to'] ?? '';
if (!is_string($to) || !str_starts_with($to, "$app/") || preg_match('/^[!-~]+$/D', $to) !== 1) {
    $to = "$app/";
}
$to = explode('#', $to)[0];
$to .= (str_contains($to, '?') ? '&' : '?') . http_build_query(token($user, $name));
array_map('header', HEADERS);
header("Location: $to", true, 302);

// Finds out who asks. CHANGE it if your page knows that in another way; the name of a
// user must never belong to somebody else later.
function look_up(string $source): string
{
    [$kind, $argument] = explode(':', "$source:", 2);
    $argument = substr($argument, 0, -1);
    return match ($kind) {
        'remote-user' => $_SERVER['REMOTE_USER'] ?? $_SERVER['AUTH_USER'] ?? '',
        'header' => $_SERVER['HTTP_' . strtoupper(strtr($argument, '-', '_'))] ?? '',
        'fixed' => $argument,
        'address' => $_SERVER['REMOTE_ADDR'],
        '' => '',
        default => broken("$source is no way to find out who asks"),
    };
}

function token(string $user, string $name): array
{
    $key = octets('HANDOFF_KEY');
    $form = setting('HANDOFF_FORM');
    if ($form !== 'legacy' && $form !== 'modern') {
        broken('HANDOFF_FORM is neither legacy nor modern');
    }
    if ($form === 'legacy') {
        $mac_key = octets('HANDOFF_MAC_KEY');
        if (strlen($key) !== 16 || strlen($mac_key) < 16) {
            broken('HANDOFF_KEY is not 16 bytes in hex, or HANDOFF_MAC_KEY is not 16 or more');
        }
        $iv = random_bytes(8);
        $sealed = openssl_encrypt(time() . "|$user|$name", 'bf-cbc', $key, OPENSSL_RAW_DATA, $iv);
        if ($sealed === false) {
            broken('OpenSSL has no Blowfish: set OPENSSL_CONF to openssl-legacy.cnf');
        }
        $token = base64url($iv . $sealed);
        return ['token' => $token, 'mac' => hash_hmac('sha256', $token, $mac_key)];
    }
    $partner = setting('HANDOFF_PARTNER');
    $audience = setting('HANDOFF_AUDIENCE');
    if (strlen($key) !== 32) {
        broken('HANDOFF_KEY is not 32 bytes in hex');
    }
    $text = json_encode(
        ['ts' => time(), 'sub' => $user, 'name' => $name, 'aud' => $audience, 'jti' => base64url(random_bytes(16))],
        JSON_THROW_ON_ERROR,
    );
    $nonce = random_bytes(12);
    $sealed = openssl_encrypt($text, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $nonce, $tag, "$partner\n$audience");
    return ['token' => base64url($nonce . $sealed . $tag)];
}

function base64url(string $octets): string
{
    return rtrim(strtr(base64_encode($octets), '+/', '-_'), '=');
}

function octets(string $name): string
{
    $hex = setting($name);
    return ctype_xdigit($hex) && strlen($hex) % 2 === 0 ? hex2bin($hex) : broken("$name is not hex");
}

function setting(string $name, ?string $otherwise = null): string
{
    $value = getenv($name);
    return $value !== false && $value !== '' ? $value : $otherwise ?? broken("$name is not set");
}

function broken(string $why): never
{
    error_log("sso: $why");
    answer(500, "This page is not set up yet. Ask your service desk.\n");
}

function answer(int $status, string $words): never
{
    http_response_code($status);
    array_map('header', HEADERS);
    exit($words);
}
