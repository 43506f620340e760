/* Credentials that this IAM has none of (passwords, MFA devices, SSH keys, signing
 * certificates, service passwords): nobody can make one, so every list is empty, and what
 * is asked for by name is not there. Tools ask before they delete a user. */
#include "iam_reply.h"

int iam_list_mfa_devices(struct call *c, const struct iam_list_mfa_devices_request *in,
                         struct iam_list_mfa_devices_response *out)
{
    if (in->user_name && !iam_user_require(c, in->user_name))
        return -1;
    out->mfa_devices.set = true;
    out->is_truncated = SET_BOOL(false);
    return 0;
}

int iam_list_virtual_mfa_devices(struct call *c,
                                 const struct iam_list_virtual_mfa_devices_request *in,
                                 struct iam_list_virtual_mfa_devices_response *out)
{
    out->virtual_mfa_devices.set = true;
    out->is_truncated = SET_BOOL(false);
    return 0;
}

int iam_list_ssh_public_keys(struct call *c,
                             const struct iam_list_ssh_public_keys_request *in,
                             struct iam_list_ssh_public_keys_response *out)
{
    if (in->user_name && !iam_user_require(c, in->user_name))
        return -1;
    out->ssh_public_keys.set = true;
    out->is_truncated = SET_BOOL(false);
    return 0;
}

int iam_list_signing_certificates(struct call *c,
                                  const struct iam_list_signing_certificates_request *in,
                                  struct iam_list_signing_certificates_response *out)
{
    if (in->user_name && !iam_user_require(c, in->user_name))
        return -1;
    out->certificates.set = true;
    out->is_truncated = SET_BOOL(false);
    return 0;
}

int iam_list_service_specific_credentials(
    struct call *c, const struct iam_list_service_specific_credentials_request *in,
    struct iam_list_service_specific_credentials_response *out)
{
    if (in->user_name && !iam_user_require(c, in->user_name))
        return -1;
    out->service_specific_credentials.set = true;
    return 0;
}

static int no_login_profile(struct call *c, const char *name)
{
    if (!iam_user_or_caller(c, name))
        return -1;
    return call_fault(c, &iam_no_such_entity_exception,
                      "Login Profile for User %s cannot be found.", name ? name : "");
}

int iam_get_login_profile(struct call *c, const struct iam_get_login_profile_request *in,
                          struct iam_get_login_profile_response *out)
{
    return no_login_profile(c, in->user_name);
}

int iam_delete_login_profile(struct call *c,
                             const struct iam_delete_login_profile_request *in, void *out)
{
    return no_login_profile(c, in->user_name);
}
