/* init_program.h. */
#include "init_program.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"

static int is_there(const char *path)
{
    AUTO_STR have = STR_INIT;
    struct error ignored = ERROR_INIT;
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & 07777) == 0755 &&
           file_read(AT_FDCWD, path, init_program_size, &have, &ignored) == 0 &&
           have.len == init_program_size &&
           memcmp(have.data, init_program, init_program_size) == 0;
}

int init_program_install(const char *dir, struct str *ret_path, struct error *err)
{
    if (!init_program_size)
        return fail(err, E_UNSUPPORTED,
                    "gantry has no init program for this machine's architecture");
    str_clear(ret_path);
    str_addf(ret_path, "%s/init", dir);
    if (is_there(ret_path->data))
        return 0;
    return file_replace(ret_path->data, init_program, init_program_size, 0755, 0, err);
}
