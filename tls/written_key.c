/* written_key: the few forms that certificate authorities' tools write. Whatever differs is left to the
 * library. Any thread. */
#include "tls/written_key.h"

#include <openssl/bytestring.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <string.h>

enum { WRITTEN_KEY_BITS_MAX = 16384 };

static const uint32_t EC_PARAMETERS = CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 0;
static const uint32_t EC_PUBLIC_KEY = CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 1;

/* NID_undef: none whose public half is a plain point. */
static int written_key_curve(const CBS *oid)
{
    int nid = OBJ_cbs2nid(oid);

    return nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1 ? nid
                                                                                       : NID_undef;
}

/* RFC 5915. The curve stands here, or (RFC 5480) in the parameters around it, or in both. */
static bool written_key_read_ec(CBS der, int curve_nid, struct written_key *key)
{
    CBS sequence;
    CBS private_half;
    CBS field;
    CBS bits;
    uint64_t version;
    uint8_t unused_bits;

    if (!CBS_get_asn1(&der, &sequence, CBS_ASN1_SEQUENCE) || CBS_len(&der) != 0 ||
        !CBS_get_asn1_uint64(&sequence, &version) || version != 1 ||
        !CBS_get_asn1(&sequence, &private_half, CBS_ASN1_OCTETSTRING)) {
        return false;
    }
    if (CBS_peek_asn1_tag(&sequence, EC_PARAMETERS)) {
        CBS oid;
        if (!CBS_get_asn1(&sequence, &field, EC_PARAMETERS) ||
            !CBS_get_asn1(&field, &oid, CBS_ASN1_OBJECT) || CBS_len(&field) != 0) {
            return false;
        }
        int inner_nid = written_key_curve(&oid);
        if (curve_nid != NID_undef && inner_nid != curve_nid) {
            return false;
        }
        curve_nid = inner_nid;
    }
    if (curve_nid == NID_undef || !CBS_get_asn1(&sequence, &field, EC_PUBLIC_KEY) ||
        CBS_len(&sequence) != 0 || !CBS_get_asn1(&field, &bits, CBS_ASN1_BITSTRING) ||
        CBS_len(&field) != 0 || !CBS_get_u8(&bits, &unused_bits) || unused_bits != 0) {
        return false;
    }
    key->kind = SECRET_KEY_ECDSA;
    key->curve_nid = curve_nid;
    key->public_half = str_from((const char *)CBS_data(&bits), CBS_len(&bits));
    return key->public_half.len > 0;
}

/* RFC 8017 A.1.2: modulus and public exponent stand side by side, as in a public key (A.1.1). */
static bool written_key_read_rsa(CBS der, struct written_key *key)
{
    CBS sequence;
    CBS modulus;
    CBS exponent;
    uint64_t version;

    if (!CBS_get_asn1(&der, &sequence, CBS_ASN1_SEQUENCE) || CBS_len(&der) != 0 ||
        !CBS_get_asn1_uint64(&sequence, &version) || version != 0) {
        return false;
    }
    const uint8_t *start = CBS_data(&sequence);
    if (!CBS_get_asn1(&sequence, &modulus, CBS_ASN1_INTEGER) ||
        !CBS_get_asn1(&sequence, &exponent, CBS_ASN1_INTEGER)) {
        return false;
    }
    key->kind = SECRET_KEY_RSA;
    key->public_half = str_from((const char *)start, (size_t)(CBS_data(&sequence) - start));
    while (CBS_len(&modulus) > 0 && CBS_data(&modulus)[0] == 0) {
        (void)CBS_skip(&modulus, 1); /* there is one */
    }
    if (CBS_len(&modulus) == 0 || CBS_len(&modulus) > WRITTEN_KEY_BITS_MAX / 8) {
        return false;
    }
    key->bits = (unsigned)CBS_len(&modulus) * 8;
    for (unsigned top = CBS_data(&modulus)[0]; (top & 0x80u) == 0; top <<= 1) {
        key->bits--;
    }
    return true;
}

/* RFC 5208: what kind of key, and the key itself in an octet string. */
static bool written_key_read_pkcs8(CBS sequence, struct written_key *key)
{
    CBS algorithm;
    CBS oid;
    CBS inner;

    if (!CBS_get_asn1(&sequence, &algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) ||
        !CBS_get_asn1(&sequence, &inner, CBS_ASN1_OCTETSTRING)) {
        return false;
    }
    switch (OBJ_cbs2nid(&oid)) {
    case NID_rsaEncryption:
        return written_key_read_rsa(inner, key);
    case NID_X9_62_id_ecPublicKey:
        if (!CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) || CBS_len(&algorithm) != 0) {
            return false;
        }
        int curve_nid = written_key_curve(&oid);
        return curve_nid != NID_undef && written_key_read_ec(inner, curve_nid, key);
    default:
        return false;
    }
}

bool written_key_read(const uint8_t *der, size_t len, struct written_key *key)
{
    CBS bytes;
    CBS sequence;
    uint64_t version;

    memset(key, 0, sizeof(*key));
    CBS_init(&bytes, der, len);
    CBS whole = bytes;
    if (!CBS_get_asn1(&bytes, &sequence, CBS_ASN1_SEQUENCE) || CBS_len(&bytes) != 0 ||
        !CBS_get_asn1_uint64(&sequence, &version)) {
        return false;
    }
    /* What follows the version tells the forms apart. */
    if (version == 0 && CBS_peek_asn1_tag(&sequence, CBS_ASN1_SEQUENCE)) {
        return written_key_read_pkcs8(sequence, key);
    }
    if (version == 0 && CBS_peek_asn1_tag(&sequence, CBS_ASN1_INTEGER)) {
        return written_key_read_rsa(whole, key);
    }
    return version == 1 && CBS_peek_asn1_tag(&sequence, CBS_ASN1_OCTETSTRING) &&
           written_key_read_ec(whole, NID_undef, key);
}

static bool written_key_has_algorithm(const struct written_key *key, X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *oid = NULL;
    const void *parameter = NULL;
    int parameter_type = 0;

    X509_ALGOR_get0(&oid, &parameter_type, &parameter, algorithm);
    if (key->kind == SECRET_KEY_RSA) {
        return OBJ_obj2nid(oid) == NID_rsaEncryption;
    }
    return OBJ_obj2nid(oid) == NID_X9_62_id_ecPublicKey && parameter_type == V_ASN1_OBJECT &&
           OBJ_obj2nid(parameter) == key->curve_nid;
}

bool written_key_fits(const struct written_key *key, X509 *certificate)
{
    const uint8_t *bits = NULL;
    int len = 0;
    X509_ALGOR *algorithm = NULL;
    CBS bytes;
    CBS content;

    if (X509_PUBKEY_get0_param(NULL, &bits, &len, &algorithm, X509_get_X509_PUBKEY(certificate)) !=
            1 ||
        !written_key_has_algorithm(key, algorithm)) {
        return false;
    }
    CBS_init(&bytes, bits, (size_t)len);
    if (key->kind == SECRET_KEY_RSA) {
        return CBS_get_asn1(&bytes, &content, CBS_ASN1_SEQUENCE) && CBS_len(&bytes) == 0 &&
               CBS_mem_equal(&content, (const uint8_t *)key->public_half.ptr, key->public_half.len);
    }
    return CBS_mem_equal(&bytes, (const uint8_t *)key->public_half.ptr, key->public_half.len);
}
