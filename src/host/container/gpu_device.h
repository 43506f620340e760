/* gpu_device.h: NVIDIA GPUs of this machine, by what their driver tells under
 * /proc/driver/nvidia/gpus, and the device nodes that a container needs for some of them.
 *
 * The programs' side (libcuda and friends) has to be in the image, or mounted by a volume:
 * nothing of the driver's user space is put into containers here.
 *
 * Owns: nothing; results lie in the arena. Threads: any. Fails: E_NOTFOUND no such GPU. */
#pragma once

#include <stddef.h>

#include "arena.h"
#include "error.h"
#include "oci_spec.h"

#define GPU_PROC_ROOT "/proc/driver/nvidia/gpus"

struct gpu {
    const char *id; /* "GPU-1234…" */
    int minor;      /* /dev/nvidia<minor> */
};

/* In order of their minors; none is no failure. */
size_t gpu_list(struct arena *a, const char *proc_root, struct gpu **ret);
/* Device nodes for these GPUs: their own and those that all share, as far as they exist. */
int gpu_devices(struct arena *a, const char *proc_root, const char *const *ids, size_t n,
                struct spec_device **ret, size_t *ret_count, struct error *err);
