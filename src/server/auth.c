#include "auth.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <openssl/rand.h>

#include "fd.h"

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

int root_keys_load(const char *data_dir, struct root_keys *ret, struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    str_addf(&path, "%s/" KEYS_FILE, data_dir);
    int r = file_read(AT_FDCWD, path.data, 4096, &text, err);
    if (r == -E_NOTFOUND)
        return keys_make(path.data, ret, err);
    return r < 0 ? r : keys_parse(path.data, text.data, ret, err);
}

static bool is_account_id(const char *s)
{
    return strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

static void identify(struct arena *a, const char *account, const char *key,
                     struct identity *ret)
{
    ret->account_id = arena_strdup(a, account);
    ret->arn = arena_printf(a, "arn:aws:iam::%s:root", account);
    ret->user_id = ret->account_id;
    ret->access_key = arena_strdup(a, key);
}

static int refuse(enum wire_denial why, const char *text, enum wire_denial *ret_denial,
                  const char **ret_text)
{
    *ret_denial = why;
    *ret_text = text;
    return -E_DENIED;
}

int authenticate(const struct authenticator *auth, struct arena *a,
                 const struct credentials *given, int64_t now_ms, struct identity *ret,
                 enum wire_denial *ret_denial, const char **ret_text)
{
    const struct sigv4 *sig = &given->sigv4;
    if (given->failure == SIGV4_NO_AUTH || given->failure == SIGV4_MALFORMED)
        return refuse(sigv4_denial(given->failure), given->failure_text, ret_denial,
                      ret_text);
    if (auth->dev) {
        identify(
            a, is_account_id(sig->access_key_id) ? sig->access_key_id : auth->account_id,
            sig->access_key_id, ret);
        return 0;
    }
    if (given->failure != SIGV4_OK)
        return refuse(sigv4_denial(given->failure), given->failure_text, ret_denial,
                      ret_text);
    if (!streq(sig->access_key_id, auth->root.access_key_id))
        return refuse(WIRE_DENIED_UNKNOWN_KEY, NULL, ret_denial, ret_text);
    if (sig->session_token)
        return refuse(WIRE_DENIED_BAD_TOKEN, NULL, ret_denial, ret_text);
    const char *text = NULL;
    enum sigv4_failure r = sigv4_check(a, sig, auth->root.secret, now_ms, &text);
    if (r != SIGV4_OK)
        return refuse(sigv4_denial(r), text, ret_denial, ret_text);
    identify(a, auth->account_id, sig->access_key_id, ret);
    return 0;
}
