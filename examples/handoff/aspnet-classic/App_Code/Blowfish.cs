using System;

/// <summary>
/// The Blowfish cipher (Schneier, 1993), which .NET does not have. Only for
/// applications that accept nothing newer.
///
/// Its tables are the fraction of pi in base 2^32: 18 words, then four times 256.
/// They are worked out once (a fraction of a second) and tried with a published
/// vector.
/// </summary>
public sealed class Blowfish
{
    const int Rounds = 16;
    static readonly uint[] Pi = FractionOfPi(Rounds + 2 + 4 * 256);

    readonly uint[] p = new uint[Rounds + 2];
    readonly uint[] s = new uint[4 * 256];

    static Blowfish()
    {
        // Key and text of eight zero bytes give 4EF997456198DD78.
        uint l = 0, r = 0;
        new Blowfish(new byte[8]).Encrypt(ref l, ref r);
        if (l != 0x4EF99745 || r != 0x6198DD78) throw new InvalidOperationException("Blowfish does not give its published vector");
    }

    public Blowfish(byte[] key)
    {
        if (key.Length < 4 || key.Length > 56) throw new ArgumentException("a Blowfish key has 4 to 56 bytes");
        Array.Copy(Pi, 0, p, 0, p.Length);
        Array.Copy(Pi, p.Length, s, 0, s.Length);
        for (int i = 0, k = 0; i < p.Length; i++)
        {
            uint word = 0;
            for (int n = 0; n < 4; n++, k++) word = word << 8 | key[k % key.Length];
            p[i] ^= word;
        }
        uint l = 0, r = 0;
        for (int i = 0; i < p.Length; i += 2) { Encrypt(ref l, ref r); p[i] = l; p[i + 1] = r; }
        for (int i = 0; i < s.Length; i += 2) { Encrypt(ref l, ref r); s[i] = l; s[i + 1] = r; }
    }

    /// <summary>CBC with PKCS#5 padding. The IV, 8 bytes, is put in front of the result.</summary>
    public byte[] EncryptCbc(byte[] iv, byte[] text)
    {
        int pad = 8 - text.Length % 8;
        var result = new byte[8 + text.Length + pad];
        Array.Copy(iv, result, 8);
        uint l = Word(iv, 0), r = Word(iv, 4);
        var block = new byte[8];
        for (int at = 0; at < text.Length + pad; at += 8)
        {
            for (int i = 0; i < 8; i++) block[i] = at + i < text.Length ? text[at + i] : (byte)pad;
            l ^= Word(block, 0);
            r ^= Word(block, 4);
            Encrypt(ref l, ref r);
            for (int i = 0; i < 4; i++)
            {
                result[8 + at + i] = (byte)(l >> 24 - 8 * i);
                result[12 + at + i] = (byte)(r >> 24 - 8 * i);
            }
        }
        return result;
    }

    void Encrypt(ref uint l, ref uint r)
    {
        for (int i = 0; i < Rounds; i += 2)
        {
            l ^= p[i];
            r ^= F(l);
            r ^= p[i + 1];
            l ^= F(r);
        }
        uint last = l ^ p[Rounds];
        l = r ^ p[Rounds + 1];
        r = last;
    }

    uint F(uint x)
    {
        unchecked
        {
            return ((s[x >> 24] + s[256 + (x >> 16 & 255)]) ^ s[512 + (x >> 8 & 255)]) + s[768 + (x & 255)];
        }
    }

    static uint Word(byte[] b, int at)
    {
        return (uint)b[at] << 24 | (uint)b[at + 1] << 16 | (uint)b[at + 2] << 8 | b[at + 3];
    }

    // pi = 16 arctan(1/5) - 4 arctan(1/239) (Machin, 1706). A number is an array of
    // words, the whole part first; two words more than needed take up the rounding.
    static uint[] FractionOfPi(int words)
    {
        var pi = new uint[1 + words + 2];
        AddArctan(pi, 16, 5, true);
        AddArctan(pi, 4, 239, false);
        var fraction = new uint[words];
        Array.Copy(pi, 1, fraction, 0, words);
        return fraction;
    }

    // Adds factor * arctan(1/x), or takes it away: 1/x - 1/3x^3 + 1/5x^5 - ...
    static void AddArctan(uint[] sum, uint factor, uint x, bool plus)
    {
        var power = new uint[sum.Length];
        var term = new uint[sum.Length];
        power[0] = factor;
        Divide(power, x, power, 0);
        int from = 0; // words before it are zero
        for (uint k = 1; from < power.Length; k += 2, plus = !plus)
        {
            Array.Clear(term, 0, from);
            Divide(power, k, term, from);
            if (plus) Add(sum, term); else Subtract(sum, term);
            Divide(power, x * x, power, from);
            while (from < power.Length && power[from] == 0) from++;
        }
    }

    static void Divide(uint[] a, uint by, uint[] result, int from)
    {
        ulong rest = 0;
        for (int i = from; i < a.Length; i++)
        {
            ulong n = rest << 32 | a[i];
            result[i] = (uint)(n / by);
            rest = n % by;
        }
    }

    static void Add(uint[] a, uint[] b)
    {
        ulong carry = 0;
        for (int i = a.Length - 1; i >= 0; i--)
        {
            carry += (ulong)a[i] + b[i];
            a[i] = (uint)carry;
            carry >>= 32;
        }
    }

    static void Subtract(uint[] a, uint[] b)
    {
        long borrow = 0;
        for (int i = a.Length - 1; i >= 0; i--)
        {
            borrow += (long)a[i] - b[i];
            a[i] = (uint)borrow;
            borrow >>= 32;
        }
    }
}
