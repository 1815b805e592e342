/*
 * The other implementation: protects and unprotects packets with libsrtp2, as its standard input asks.
 *
 *   first:   suite (1: its place in RFC 4568, 6188, 7714) | length of the MKI (1) | MKI | master key and salt
 *   request: what (1: P, p protect RTP, RTCP; U, u unprotect) | length (2, big-endian) | packet
 *   answer:  status of libsrtp2 (1: 0 is ok, 7 authentication, 9 replay, 10 too old) | length (2) | packet
 *
 * Ends with its input; 2 and a line on standard error when it cannot go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <srtp2/srtp.h>

enum { PACKET = 2048, KEY = 46, MKI = 128 };

static void fail(const char *what)
{
    fprintf(stderr, "oracle: %s\n", what);
    exit(2);
}

static void take(unsigned char *into, size_t count)
{
    if (fread(into, 1, count, stdin) != count)
        fail("the input ends inside a message");
}

/* The master key and salt of a suite, in octets. SRTCP of the _32 suites has an 80-bit tag (RFC 4568 6.2.2). */
static size_t choose(int suite, srtp_crypto_policy_t *rtp, srtp_crypto_policy_t *rtcp)
{
    switch (suite) {
    case 0:
    case 1:
        srtp_crypto_policy_set_rtp_default(rtp);
        if (suite == 1)
            srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(rtp);
        srtp_crypto_policy_set_rtcp_default(rtcp);
        return 30;
    case 2:
    case 3:
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtp);
        if (suite == 3)
            srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(rtp);
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtcp);
        return 46;
    case 4:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(rtcp);
        return 28;
    case 5:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(rtcp);
        return 44;
    default:
        fail("no such suite");
        return 0;
    }
}

static srtp_t session(srtp_policy_t policy, srtp_ssrc_type_t direction)
{
    srtp_t made = NULL;
    policy.ssrc.type = direction;
    if (srtp_create(&made, &policy) != srtp_err_status_ok)
        fail("libsrtp2 refuses the policy: it was built without this suite");
    return made;
}

int main(void)
{
    unsigned char head[2], key[KEY], mki[MKI], packet[PACKET], answer[3];
    srtp_master_key_t master = { key, mki, 0 };
    srtp_master_key_t *masters[] = { &master };
    srtp_policy_t policy;
    srtp_t out, in;
    int what;

    if (srtp_init() != srtp_err_status_ok)
        fail("libsrtp2 does not start: its own tests fail");
    take(head, sizeof head);
    if (head[1] > MKI)
        fail("the MKI is too long");
    memset(&policy, 0, sizeof policy);
    size_t key_salt = choose(head[0], &policy.rtp, &policy.rtcp);
    master.mki_size = head[1];
    take(mki, master.mki_size);
    take(key, key_salt);
    policy.window_size = 128;
    if (master.mki_size > 0) {
        policy.keys = masters;
        policy.num_master_keys = 1;
    } else {
        policy.key = key;
    }
    out = session(policy, ssrc_any_outbound);
    in = session(policy, ssrc_any_inbound);

    while ((what = getchar()) != EOF) {
        unsigned char size[2];
        take(size, sizeof size);
        int length = size[0] << 8 | size[1];
        if (length > PACKET - SRTP_MAX_TRAILER_LEN - MKI)
            fail("the packet is too long");
        take(packet, (size_t)length);
        unsigned int with_mki = master.mki_size > 0;
        srtp_err_status_t status;
        switch (what) {
        case 'P':
            status = srtp_protect_mki(out, packet, &length, with_mki, 0);
            break;
        case 'p':
            status = srtp_protect_rtcp_mki(out, packet, &length, with_mki, 0);
            break;
        case 'U':
            status = srtp_unprotect_mki(in, packet, &length, with_mki);
            break;
        case 'u':
            status = srtp_unprotect_rtcp_mki(in, packet, &length, with_mki);
            break;
        default:
            fail("asked for what it does not do");
            return 2;
        }
        if (status != srtp_err_status_ok)
            length = 0;
        answer[0] = (unsigned char)status;
        answer[1] = (unsigned char)(length >> 8);
        answer[2] = (unsigned char)length;
        fwrite(answer, 1, sizeof answer, stdout);
        fwrite(packet, 1, (size_t)length, stdout);
        fflush(stdout);
    }
    return 0;
}
