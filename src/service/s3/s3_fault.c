#include "s3_fault.h"

#define DEFINE(name, c, http, text)                                                      \
    const struct wire_fault s3_##name = {                                                \
        .code = (c), .status = (http), .sender = (http) < 500};
S3_FAULTS(DEFINE)

#define ROW(name, c, http, text) {&s3_##name, (text)},
static const struct {
    const struct wire_fault *fault;
    const char *text;
} texts[] = {S3_FAULTS(ROW)};

const char *s3_fault_text(const struct wire_fault *fault)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].fault == fault)
            return texts[i].text;
    return "";
}
