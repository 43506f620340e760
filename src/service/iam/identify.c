#include "iam_state.h"

enum iam_signer_state iam_signer_find(struct core *core, struct arena *a,
                                      const char *access_key_id,
                                      const char *session_token, struct iam_signer *ret)
{
    return IAM_SIGNER_UNKNOWN;
}
