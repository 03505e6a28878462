<?php
// Makes the tokens of cases.tsv with PHP's OpenSSL, which knows Blowfish only with
// the legacy provider and only with keys of 128 bits.
function b64u(string $b): string {
    return rtrim(strtr(base64_encode($b), '+/', '-_'), '=');
}

function block(string $cipher, string $mode, string $key, string $iv, string $padding, string $plain): string {
    $name = ['blowfish' => 'bf', 'triple-des' => 'des-ede3', 'aes-cbc' => 'aes-' . 8 * strlen($key)][$cipher];
    $size = $cipher === 'aes-cbc' ? 16 : 8;
    $options = OPENSSL_RAW_DATA;
    if ($padding === 'zero') {
        $options |= OPENSSL_ZERO_PADDING; // which means none: it is added here
        $plain .= str_repeat("\0", ($size - strlen($plain) % $size) % $size);
    }
    $full = $name . ($name === 'des-ede3' && $mode === 'ecb' ? '' : "-$mode");
    $sealed = openssl_encrypt($plain, $full, $key, $options, $mode === 'ecb' ? '' : $iv);
    if ($sealed === false) {
        fwrite(STDERR, "$full: " . openssl_error_string() . "\n");
        exit(1);
    }
    return $sealed;
}

foreach (file($argv[1], FILE_IGNORE_NEW_LINES) as $line) {
    if ($line[0] === '#') {
        continue;
    }
    [$name, $cipher, $mode, $k, $i, $where, $padding, $kind, $macKey, $aad, $plain] = explode("\t", $line);
    $key = hex2bin($k);
    $iv = $i === '-' ? '' : hex2bin($i);
    $aad = str_replace('\n', "\n", $aad);
    if ($cipher === 'blowfish' && strlen($key) !== 16) {
        continue;
    }
    if ($cipher === 'jwt') {
        $text = b64u($aad) . '.' . b64u($plain);
        $token = "$text." . b64u(hash_hmac('sha256', $text, $key, true));
    } elseif ($cipher === 'jwe') {
        $sealed = openssl_encrypt($plain, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $iv, $tag, b64u($aad));
        $token = implode('.', [b64u($aad), '', b64u($iv), b64u($sealed), b64u($tag)]);
    } else {
        if ($cipher === 'aes-gcm') {
            $sealed = openssl_encrypt($plain, 'aes-' . 8 * strlen($key) . '-gcm', $key, OPENSSL_RAW_DATA, $iv, $tag, $aad) . $tag;
        } else {
            $sealed = block($cipher, $mode, $key, $iv, $padding, $plain);
        }
        $raw = ($where === 'prefix' ? $iv : '') . $sealed;
        $token = ['hex' => bin2hex($raw), 'base64' => base64_encode($raw), 'base64url' => b64u($raw)][$kind];
    }
    $mac = $macKey === '-' ? '-' : hash_hmac('sha256', $token, hex2bin($macKey));
    echo "$name $token $mac\n";
}
