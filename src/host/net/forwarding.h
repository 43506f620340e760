/* forwarding.h: the machine passes packets on, for bridges and VPCs alike.
 *
 * It is a setting of the whole network namespace: how it was before the first run on this
 * machine is written down, and the last one to go puts it back.
 * Owns: that file. Threads: any. Fails: E_DENIED, E_IO. */
#pragma once

#include "error.h"

int forwarding_allow(struct error *err);
/* Nothing happens while a bridge or an uplink of any run is left here. */
int forwarding_forget(struct error *err);
