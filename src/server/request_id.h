/* request_id.h: ids of requests and of audit's lines: random UUIDs (version 4).
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "call.h"

void request_id_make(char ret[CALL_REQUEST_ID_SIZE]);
