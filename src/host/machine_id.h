/* machine_id.h: which machine this is, as an EC2 instance id that stays the same.
 *
 * Made of systemd's machine-id(5), which tells one installation from another; where there is
 * none (in some containers), of the host name. The number itself is not given away.
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#define MACHINE_ID_SIZE 20 /* "i-" and 17 hexadecimal digits, NUL */
void machine_instance_id(char ret[MACHINE_ID_SIZE]);
