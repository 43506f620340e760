#include "auth.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "access.h"
#include "fd.h"
#include "iam.h"

#define KEYS_FILE "root-keys.json"

static void random_text(char *ret, size_t n, const char *alphabet)
{
    unsigned char raw[64];
    size_t letters = strlen(alphabet);
    RAND_bytes(raw, sizeof(raw));
    for (size_t i = 0; i < n; i++)
        ret[i] = alphabet[raw[i] % letters];
    ret[n] = '\0';
}

static int keys_make(const char *path, struct root_keys *ret, struct error *err)
{
    /* AWS's own form, so that tools which check it are content: AKIA and 16 letters of
     * base 32, a secret of 40. */
    memcpy(ret->access_key_id, "AKIA", 4);
    random_text(ret->access_key_id + 4, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    random_text(ret->secret, 40,
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    AUTO_STR text = STR_INIT;
    str_addf(&text, "{\"accessKeyId\": \"%s\", \"secretAccessKey\": \"%s\"}\n",
             ret->access_key_id, ret->secret);
    return file_replace(path, text.data, text.len, 0600, 1, err);
}

static int keys_parse(const char *path, const char *text, struct root_keys *ret,
                      struct error *err)
{
    json_error_t why;
    const char *id = NULL, *secret = NULL;
    json_t *root = json_loads(text, 0, &why);
    int ok = root &&
             json_unpack(root, "{s:s, s:s}", "accessKeyId", &id, "secretAccessKey",
                         &secret) == 0 &&
             strlen(id) < sizeof(ret->access_key_id) &&
             strlen(secret) < sizeof(ret->secret);
    if (ok) {
        snprintf(ret->access_key_id, sizeof(ret->access_key_id), "%s", id);
        snprintf(ret->secret, sizeof(ret->secret), "%s", secret);
    }
    json_decref(root);
    return ok ? 0 : fail(err, E_CORRUPT, "'%s' holds no access key", path);
}

int root_keys_read(const char *path, struct root_keys *ret, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, path, 4096, &text, err);
    return r < 0 ? r : keys_parse(path, str_text(&text), ret, err);
}

int root_keys_load(const char *data_dir, struct root_keys *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/" KEYS_FILE, data_dir);
    int r = root_keys_read(path.data, ret, err);
    return r == -E_NOTFOUND ? keys_make(path.data, ret, err) : r;
}

static bool is_account_id(const char *s)
{
    return strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

/* The account's own root. */
static void identify(struct arena *a, const char *account, const char *key,
                     struct identity *ret)
{
    *ret = (struct identity){.account_id = arena_strdup(a, account)};
    ret->arn = arena_printf(a, "arn:aws:iam::%s:root", account);
    ret->user_id = ret->account_id;
    ret->access_key = arena_strdup(a, key);
    ret->principal = (struct policy_principal){.type = PRINCIPAL_ROOT,
                                               .account = ret->account_id,
                                               .arn = ret->arn,
                                               .id = ret->user_id};
}

static int refuse(enum wire_denial why, const char *text, enum wire_denial *ret_denial,
                  const char **ret_text)
{
    *ret_denial = why;
    *ret_text = text;
    return -E_DENIED;
}

/* The secret behind the key that signed; fills *ret but for where the call comes from. */
static int key_of(const struct authenticator *auth, struct core *core, struct arena *a,
                  const struct sigv4 *sig, struct iam_signer *ret,
                  enum wire_denial *ret_denial, const char **ret_text)
{
    if (streq(sig->access_key_id, auth->root.access_key_id)) {
        *ret = (struct iam_signer){.secret = auth->root.secret};
        identify(a, auth->account_id, sig->access_key_id, &ret->who);
        return sig->session_token
                   ? refuse(WIRE_DENIED_BAD_TOKEN, NULL, ret_denial, ret_text)
                   : 0;
    }
    switch (iam_signer_find(core, a, sig->access_key_id, sig->session_token, ret)) {
    case IAM_SIGNER_GOOD:
        return 0;
    case IAM_SIGNER_EXPIRED:
        return refuse(WIRE_DENIED_EXPIRED, NULL, ret_denial, ret_text);
    case IAM_SIGNER_BAD_TOKEN:
        return refuse(WIRE_DENIED_BAD_TOKEN, NULL, ret_denial, ret_text);
    case IAM_SIGNER_UNKNOWN:
        break;
    }
    return refuse(WIRE_DENIED_UNKNOWN_KEY, NULL, ret_denial, ret_text);
}

/* Every signature is good; keys that IAM knows are still whose they are. */
static void identify_unchecked(const struct authenticator *auth, struct core *core,
                               struct arena *a, const struct sigv4 *sig,
                               struct identity *ret)
{
    struct iam_signer key;
    const char *id = sig->access_key_id;
    if (iam_signer_find(core, a, id, sig->session_token, &key) == IAM_SIGNER_GOOD) {
        iam_signer_used(core, &key, sig->service, sig->region);
        *ret = key.who;
    } else {
        identify(a, is_account_id(id) ? id : auth->account_id, id, ret);
    }
}

/* Who calls is told after the task, too (audit.h), when users may be gone. */
static void keep(struct arena *a, struct identity *who)
{
    struct policy_principal *p = &who->principal;
    const char **const texts[] = {&who->account_id, &who->arn,   &who->user_id,
                                  &who->access_key, &p->account, &p->arn,
                                  &p->role_arn,     &p->id,      &p->role_id};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = arena_strdup(a, *texts[i]);
}

static enum sigv4_failure check_signature(const struct authenticator *auth,
                                          const struct core *core, struct arena *a,
                                          const struct credentials *given,
                                          const char *secret, const char **ret_text)
{
    uint8_t key[32];
    sigv4_keys_get(auth->keys, &given->sigv4, secret, key);
    enum sigv4_failure f =
        sigv4_check(a, &given->sigv4, key, core_now_ms(core), ret_text);
    if (f == SIGV4_OK && given->key) {
        memcpy(given->key->bytes, key, sizeof(key));
        given->key->known = true;
    }
    OPENSSL_cleanse(key, sizeof(key));
    return f;
}

int authenticate(const struct authenticator *auth, struct core *core, struct arena *a,
                 const struct credentials *given, struct identity *ret,
                 enum wire_denial *ret_denial, const char **ret_text)
{
    const struct sigv4 *sig = &given->sigv4;
    struct iam_signer key = {0};
    if (!sigv4_is_readable(given->failure))
        return refuse(sigv4_denial(sig, given->failure), given->failure_text, ret_denial,
                      ret_text);
    if (auth->dev) {
        identify_unchecked(auth, core, a, sig, ret);
    } else {
        if (given->failure != SIGV4_OK)
            return refuse(sigv4_denial(sig, given->failure), given->failure_text,
                          ret_denial, ret_text);
        int r = key_of(auth, core, a, sig, &key, ret_denial, ret_text);
        if (r < 0)
            return r;
        const char *text = NULL;
        enum sigv4_failure f = check_signature(auth, core, a, given, key.secret, &text);
        if (f != SIGV4_OK)
            return refuse(sigv4_denial(sig, f), text, ret_denial, ret_text);
        iam_signer_used(core, &key, sig->service, sig->region);
        *ret = key.who;
    }
    keep(a, ret);
    ret->source_ip = given->source_ip;
    ret->user_agent = given->user_agent;
    ret->tls = given->tls;
    return 0;
}

bool auth_permits(const struct authenticator *auth, struct core *core, struct arena *a,
                  const struct credentials *given, const char *action,
                  const char *resource, struct identity *ret, const char **ret_text)
{
    enum wire_denial denial;
    *ret_text = NULL;
    if (authenticate(auth, core, a, given, ret, &denial, ret_text) < 0) {
        if (str_empty(*ret_text))
            *ret_text = "The signature was not accepted.";
        return false;
    }
    const struct access question = {.action = action, .resource = resource};
    return access_permits(core, a, ret, NULL, &question, ret_text);
}

bool auth_identify(const struct authenticator *auth, struct core *core, struct arena *a,
                   const char *access_key_id, const char *session_token,
                   const char *account, struct identity *ret)
{
    struct iam_signer signer;
    bool root = !access_key_id || streq(access_key_id, auth->root.access_key_id);
    if (!root && iam_signer_find(core, a, access_key_id, session_token, &signer) ==
                     IAM_SIGNER_GOOD) {
        *ret = signer.who;
        return true;
    }
    if (!root && !auth->dev)
        return false;
    identify(a, account, access_key_id ? access_key_id : "", ret);
    return true;
}
