/* init_program.h: the first process of containers with initProcessEnabled (src/init),
 * carried within gantry.
 * Threads: any. Fails: E_UNSUPPORTED when there is none for this architecture; as
 * file_replace(). */
#pragma once

#include <stddef.h>

#include "error.h"
#include "str.h"

/* Generated from the built program. */
extern const unsigned char init_program[];
extern const size_t init_program_size;

/* Writes it to <dir>/init unless it is there as it should be. A container's mount shows the
 * file that was there when it began, so a newer gantry changes nothing below its feet. The
 * directory's file system must allow execution. */
int init_program_install(const char *dir, struct str *ret_path, struct error *err);
