#include "machine_id.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "fd.h"
#include "str.h"

#define PURPOSE "gantry ec2 instance id\n"

void machine_instance_id(char ret[MACHINE_ID_SIZE])
{
    AUTO_STR seed = STR_INIT;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    str_add(&seed, PURPOSE);
    if (file_read(AT_FDCWD, "/etc/machine-id", 256, &seed, NULL) < 0 ||
        seed.len <= strlen(PURPOSE) + 1) {
        char name[256] = "";
        gethostname(name, sizeof(name) - 1);
        str_add(&seed, name);
    }
    SHA256((const unsigned char *)seed.data, seed.len, hash);
    hex_encode(hash, sizeof(hash), hex);
    snprintf(ret, MACHINE_ID_SIZE, "i-0%.16s", hex);
}
